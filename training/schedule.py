"""How long a run is, and how the learning rate and the adversary's strength change over it."""

import math
from dataclasses import dataclass

import torch

from models.head import Head
from training.settings import TrainingSettings

_FIRST_CYCLE = 0.25  # of all steps, under ``cosine_restarts``
_STEP_EVERY, _STEP_FACTOR = 0.1, 0.5  # share of all steps, under ``step``


@dataclass(frozen=True)
class Budget:
    """How long a run is at most, whichever way that is given.

    Attributes:
        num_steps: of the optimiser, in the whole run.
        pass_steps: in one pass over the training clips.
        epoch_steps: between two validations: a pass, unless ``validate_every`` says otherwise.
        num_epochs: how many of those there are; the last may be shorter.
    """

    num_steps: int
    pass_steps: int
    epoch_steps: int
    num_epochs: int

    @classmethod
    def of(cls, training: TrainingSettings, num_clips: int) -> "Budget":
        """The budget of a run on some number of training clips: an utterance each, or pieces of utterances."""
        num_batches = math.ceil(num_clips / training.batch_size)
        pass_steps = math.ceil(num_batches / training.accumulate)
        num_steps = training.steps or training.epochs * pass_steps
        epoch_steps = training.validate_every or pass_steps
        return cls(num_steps, pass_steps, epoch_steps, math.ceil(num_steps / epoch_steps))

    def warmup_steps(self, training: TrainingSettings) -> int:
        """How many steps the learning rate rises."""
        unit = {"share": self.num_steps, "epochs": self.pass_steps, "steps": 1}[training.warmup_unit]
        return round(training.warmup * unit)


def make_optimizer(head: Head, training: TrainingSettings) -> torch.optim.Optimizer:
    """Adam or AdamW; the parameters of the head's classifiers learn ``classifier_rate`` times as fast."""
    classifiers = [parameter for classifier in head.classifiers for parameter in classifier.parameters()]
    known = set(classifiers)
    others = [parameter for parameter in head.parameters() if parameter not in known]
    groups = [
        {"params": others, "lr": training.learning_rate},
        {"params": classifiers, "lr": training.learning_rate * training.classifier_rate},
    ]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[training.optimizer]
    groups = [group for group in groups if group["params"]]
    return kind(groups, betas=training.betas, weight_decay=training.weight_decay)


def make_scheduler(
    optimizer: torch.optim.Optimizer, training: TrainingSettings, budget: Budget
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate of every step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, budget, training))


def rate_factor(step: int, budget: Budget, training: TrainingSettings) -> float:
    """The learning rate of a step as a share of its highest.

    Args:
        step: 0 to ``budget.num_steps - 1``.
        budget: of the whole run, without early stopping.
        training: schedule, warm-up and the two learning rates.
    """
    least = training.min_learning_rate / training.learning_rate
    if training.schedule == "speechbrain":
        epoch = 1 + step // budget.pass_steps
        return max(speechbrain_factor(epoch, training.epochs, training.warmup), least)
    warmup = budget.warmup_steps(training)
    if step < warmup:
        return max(training.warmup_from + (1 - training.warmup_from) * (step + 1) / warmup, least)
    step, remaining = step - warmup, max(1, budget.num_steps - warmup)
    if training.schedule == "constant":
        return 1.0
    if training.schedule == "noam":
        peak = max(1, warmup)
        return max(math.sqrt(peak / (peak + step)), least)
    if training.schedule == "step":
        return max(_STEP_FACTOR ** (step // max(1, round(_STEP_EVERY * budget.num_steps))), least)
    if training.schedule == "linear":
        return max(1 - step / remaining, least)
    cycle = remaining
    if training.schedule == "cosine_restarts":
        cycle = max(1, round(_FIRST_CYCLE * budget.num_steps))
        while step >= cycle:
            step -= cycle
            cycle *= 2
    return least + (1 - least) * (1 + math.cos(math.pi * step / cycle)) / 2


def speechbrain_factor(epoch: int, epochs: int, warmup: float) -> float:
    """Linear warm-up and decay as SpeechBrain's ``LinearWarmupScheduler`` runs when it is asked after every epoch.

    Epoch 1 still has the optimiser's own rate, the highest; epoch 2 gets the schedule's first value, 0. From there the
    rate rises for ``warmup`` epochs, and falls towards 0, which it would reach two epochs after the last one.

    Args:
        epoch: 1 to epochs.
        epochs: of the whole run.
        warmup: in epochs.
    """
    calls = epoch - 2
    if calls < 0:
        return 1.0
    if calls < warmup:
        return calls / warmup
    return max(0.0, (epochs - calls) / max(1, epochs - warmup))


def reversal_strength(epoch: int, num_epochs: int, training: TrainingSettings) -> float:
    """Alpha in an epoch 1..num_epochs: 0 at first, then linear to its largest, then constant."""
    start, full = training.alpha_start * num_epochs, training.alpha_full * num_epochs
    if epoch >= full:
        return training.max_alpha if epoch > start else 0.0
    return training.max_alpha * max(0.0, epoch - start) / (full - start)


def settled_epoch(budget: Budget, training: TrainingSettings, adversarial: bool) -> int:
    """The epoch at whose end the warm-up, and alpha's ramp, are over: patience is counted from here."""
    warmup = budget.warmup_steps(training)
    if training.schedule == "speechbrain":
        warmup += 2 * budget.pass_steps  # epoch 1 has the highest rate, and the rise begins at 0 in epoch 2
    settled = math.ceil(warmup / budget.epoch_steps)
    return max(settled, math.ceil(training.alpha_full * budget.num_epochs)) if adversarial else settled
