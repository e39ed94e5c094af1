"""How the learning rate and the adversary's strength change over a run."""

import math

import torch
from torch import nn

from training.settings import TrainingSettings

_LONGEST_WARMUP = 1000  # steps
_FIRST_CYCLE = 0.25  # of all steps, under ``cosine``
_STEP_EVERY, _STEP_FACTOR = 0.1, 0.5  # share of all steps, under ``step``


def make_optimizer(model: nn.Module, training: TrainingSettings) -> torch.optim.AdamW:
    """AdamW; parameters of modules called ``...classifier`` learn ``classifier_rate`` times as fast."""
    classifiers, others = [], []
    for name, parameter in model.named_parameters():
        parts = name.split(".")[:-1]
        (classifiers if any(part.endswith("classifier") for part in parts) else others).append(parameter)
    groups = [
        {"params": others, "lr": training.learning_rate},
        {"params": classifiers, "lr": training.learning_rate * training.classifier_rate},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=training.weight_decay)


def make_scheduler(
    optimizer: torch.optim.Optimizer, training: TrainingSettings, num_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate of every step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, num_steps, training))


def warmup_steps(num_steps: int, training: TrainingSettings) -> int:
    """How many steps the learning rate rises."""
    return min(round(training.warmup * num_steps), _LONGEST_WARMUP)


def rate_factor(step: int, num_steps: int, training: TrainingSettings) -> float:
    """The learning rate of a step as a share of its highest.

    Args:
        step: 0 to num_steps - 1.
        num_steps: of the whole run, without early stopping.
        training: schedule, warm-up and the two learning rates.
    """
    warmup = warmup_steps(num_steps, training)
    least = training.min_learning_rate / training.learning_rate
    if step < warmup:
        return max((step + 1) / warmup, least)
    step -= warmup
    if training.schedule == "constant":
        return 1.0
    if training.schedule == "noam":
        peak = max(1, warmup)
        return max(math.sqrt(peak / (peak + step)), least)
    if training.schedule == "step":
        return max(_STEP_FACTOR ** (step // max(1, round(_STEP_EVERY * num_steps))), least)
    cycle = max(1, round(_FIRST_CYCLE * num_steps))
    while step >= cycle:
        step -= cycle
        cycle *= 2
    return least + (1 - least) * (1 + math.cos(math.pi * step / cycle)) / 2


def reversal_strength(epoch: int, training: TrainingSettings) -> float:
    """Alpha in an epoch 1..epochs: 0 at first, then linear to its largest, then constant."""
    start, full = training.alpha_start * training.epochs, training.alpha_full * training.epochs
    if epoch >= full:
        return training.max_alpha if epoch > start else 0.0
    return training.max_alpha * max(0.0, epoch - start) / (full - start)


def settled_epoch(num_steps: int, training: TrainingSettings, adversarial: bool) -> int:
    """The epoch at whose end the warm-up, and alpha's ramp, are over: patience is counted from here."""
    settled = math.ceil(training.epochs * warmup_steps(num_steps, training) / num_steps)
    return max(settled, math.ceil(training.alpha_full * training.epochs)) if adversarial else settled
