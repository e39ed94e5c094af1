"""Train one head on one fold with one seed, choose the epoch on validation speakers, and predict."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from dvclive import Live
from torch import Tensor, nn
from torch.nn import functional

from data.errors import UserError
from data.measured import peak_memory, restart_gpu_peak, write_measurement
from features.store import FeatureSet
from models.building import build_head, head_class
from models.head import View
from training.augmentation import Batch, augment
from training.batches import (
    FrameSource,
    MomentFrames,
    balanced_batches,
    open_frames,
    open_moments,
    shuffled_batches,
    standardising_statistics,
)
from training.checkpoint import StandardisedHead, save_head
from training.clips import clips_of, predict_utterances, training_clips
from training.goals import Embedded, Goal, goal_of
from training.job import FoldJob, Utterances, training_view
from training.objective import Objective
from training.prediction import predict, write_predictions
from training.schedule import Budget, make_optimizer, make_scheduler, reversal_strength, settled_epoch
from training.solvable import is_convex


def train_fold(job: FoldJob, on_epochs: Callable[[int], None] = lambda count: None) -> None:
    """Train, and write the run's files into its folder.

    They are model.safetensors, config.json, history.csv, predictions.csv, embeddings.safetensors and, of heads that
    attend, attention.safetensors. What it cost goes elsewhere, so that the folder's bytes do not depend on it.

    Args:
        job: what to train.
        on_epochs: called with the number of epochs that are done, or skipped by early stopping.

    Raises:
        UserError: the loss is no longer finite, no epoch can be chosen by validation loss, a layer is not stored, or
            the GPU is out of memory.
    """
    try:
        _train_fold(job, on_epochs)
    except torch.OutOfMemoryError as error:
        raise UserError(f"{job.run_name}: out of GPU memory. Lower its batch_size, and raise accumulate.") from error


def _train_fold(job: FoldJob, on_epochs: Callable[[int], None]) -> None:
    _begin(job)
    features = FeatureSet(job.features, verify=False)  # the stage has verified it
    layers = features.check_layers(job.head.choose_layers(features.layers))
    goal, train = goal_of(job), training_clips(job.roles["train"], features, job.training)
    model = _build_model(job, features, layers, train, goal)
    frames = _open_frames(job, features, layers)
    if job.training.standardise and (scale := model.head.embedding_scale) is not None:
        scale.fit(predict(model, frames, train.ids).embeddings)
    config = _config(job, features, layers, model, goal)
    if is_convex(job.head, job.training):
        solved, seconds_per_epoch = _solve(model, frames, job, features, train, goal)
        config |= solved
        on_epochs(1)
    else:
        run = TrainingRun(model, frames, job, config, features)
        best_epoch, epochs_run = run.fit(on_epochs)
        config |= {"best_epoch": best_epoch, "epochs_run": epochs_run, "num_epochs": run.budget.num_epochs}
        seconds_per_epoch = run.seconds_per_epoch
    if (weights := model.head.layer_weights()) is not None:
        config["layer_weights"] = dict(zip(map(str, layers), weights.tolist(), strict=True))
    save_head(model, config, job.folder)
    start = time.perf_counter()
    predicted = {role: job.roles[role].ids for role in ("validation", "test") if job.roles[role].ids}
    predictions = {role: predict_utterances(model, frames, features, ids) for role, ids in predicted.items()}
    predict_seconds = time.perf_counter() - start
    copies = {
        copy: predict_utterances(model, frames, features, job.roles["test"].ids, copy) for copy in features.copies[1:]
    }
    write_predictions(predictions, job.roles, goal, job.folder, copies)
    write_measurement(
        job.measurement,
        job.fingerprint,
        device=job.device,
        utterances=len(job.roles["train"].ids),
        seconds_per_epoch=seconds_per_epoch,
        predicted=sum(map(len, predicted.values())),
        predict_seconds=predict_seconds,
        **peak_memory(job.device),
    )


def _begin(job: FoldJob) -> None:
    """Same job, same random numbers, same order of additions."""
    torch.set_num_threads(1)
    torch.manual_seed(job.random_seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # with NaN, which takes time and changes nothing
    restart_gpu_peak(job.device)


def _build_model(
    job: FoldJob, features: FeatureSet, layers: list[int], train: Utterances, goal: Goal
) -> StandardisedHead:
    shape = len(layers), features.dimension
    mean, deviation = torch.zeros(shape), torch.ones(shape)
    if job.training.standardise:
        of_means = training_view(job.head, job.training) is not View.FRAMES
        mean, deviation = standardising_statistics(features, layers, train.ids, of_means)
    head = build_head(
        job.head,
        features.dimension,
        len(goal.names),
        num_layers=len(layers),
        num_speakers=len(job.train_speakers) if job.training.adversarial_weight else 0,
        speaker_classifier=job.training.speaker_classifier,
    )
    return StandardisedHead(head, mean, deviation, goal.scale).to(job.device)


def _open_frames(job: FoldJob, features: FeatureSet, layers: list[int]) -> FrameSource:
    view, device = training_view(job.head, job.training), torch.device(job.device)
    if view is View.FRAMES:
        return open_frames(features, layers, device)
    return MomentFrames(open_moments(features, layers), view, device)


def _config(job: FoldJob, features: FeatureSet, layers: list[int], model: StandardisedHead, goal: Goal) -> dict:
    """The content of config.json, as far as it is known before training."""
    return {
        "format": "emocache-head",
        "format_version": 1,
        "settings": job.head.model_dump(),
        "training": job.training.content,
        **goal.config(),
        "speakers": job.train_speakers if job.training.adversarial_weight else [],
        "fold": job.fold,
        "seed": job.seed,
        "features": {"digest": features.digest, "recipe": features.recipe},
        "layers": layers,
        "dimension": features.dimension,
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "utterances": {role: len(utterances.ids) for role, utterances in job.roles.items()},
    }


def _solve(
    model: StandardisedHead, frames: FrameSource, job: FoldJob, features: FeatureSet, train: Utterances, goal: Goal
) -> tuple[dict, list[float]]:
    """Find the minimum of a convex head's loss over the training clips, and write history.csv.

    Returns:
        What config.json says of it, and the seconds taken.
    """
    start = time.perf_counter()
    clips = {"train": train, "validation": clips_of(job.roles["validation"], features)}
    embedded = [_embedded(model, frames, features, of_role) for of_role in clips.values()]
    strengths = head_class(job.head).l2_strengths(job.head)
    strength, compared = goal.solve(model.head.classifier, strengths, *embedded)
    seconds = time.perf_counter() - start
    measured = {"epoch": 1, "l2": strength}
    measured |= goal.measure("train", predict(model, frames, train.ids).outputs, train)
    if (validation := job.roles["validation"]).ids:
        outputs = predict_utterances(model, frames, features, validation.ids).outputs
        measured |= goal.measure("validation", outputs, validation)
    pd.DataFrame([measured]).to_csv(job.folder / "history.csv", float_format="%.6g", lineterminator="\n", index=False)
    solved = {"best_epoch": 1, "epochs_run": 1, "num_epochs": 1, "l2": strength, "l2_compared": compared}
    return solved, [seconds]


def _embedded(model: StandardisedHead, frames: FrameSource, features: FeatureSet, clips: Utterances) -> Embedded:
    embeddings = np.zeros((0, model.head.embedding_size))
    if clips.ids:
        embeddings = predict(model, frames, clips.ids).embeddings.double().numpy()
    utterances = [features.locations[key].id for key in clips.ids]
    clean = [key in features.clips_of(name) for key, name in zip(clips.ids, utterances, strict=True)]
    return Embedded(embeddings, clips, utterances, np.array(clean, bool))


class TrainingRun:
    """One training run: what its epochs have in common.

    Args:
        model: to train; standardises its input.
        frames: of the utterances, on the job's device.
        job: what to train on, and how.
        config: config.json's content, kept with weights that have to be rescued.
        features: which clips the utterances have.

    Attributes:
        seconds_per_epoch: how long each training pass took, validation not included.
    """

    def __init__(self, model: StandardisedHead, frames: FrameSource, job: FoldJob, config: dict, features: FeatureSet):
        self.model, self.frames, self.job, self.config, self.features = model, frames, job, config, features
        self.training, self.train = job.training, training_clips(job.roles["train"], features, job.training)
        self.goal = goal_of(job)
        self.device = torch.device(job.device)
        self.budget = Budget.of(self.training, len(self.train.ids))
        self.optimizer = make_optimizer(model.head, self.training)
        self.scheduler = make_scheduler(self.optimizer, self.training, self.budget)
        self.objective = Objective(self.training, self.train.labels, len(self.goal.names), self.device)
        self.generator = torch.Generator().manual_seed(job.random_seed)
        self.emotions = self.goal.targets(self.train)
        speakers = [job.train_speakers.index(speaker) for speaker in self.train.speakers]
        self.speakers = functional.one_hot(torch.tensor(speakers), len(job.train_speakers)).float()
        self.seconds_per_epoch: list[float] = []
        self._steps = self._draw_steps()

    def fit(self, on_epochs: Callable[[int], None]) -> tuple[int, int]:
        """Train; leave the best epoch's weights in the model; return that epoch and the number of epochs run.

        Raises:
            UserError: a loss or gradient is not finite, or the validation loss never is, by which to choose an epoch.
        """
        training, validation = self.training, self.job.roles["validation"]
        settled = settled_epoch(self.budget, training, self.adversarial)
        chooses = bool(validation.ids) and training.select != "last"
        best, best_epoch, best_state = -np.inf, 0, None
        live_folder = self.job.folder / "dvclive"
        with Live(str(live_folder), dvcyaml=None, save_dvc_exp=False, report=None) as live:
            for epoch in range(1, self.budget.num_epochs + 1):
                start = time.perf_counter()
                try:
                    measured = self.train_epoch(epoch)
                except NotFiniteError as error:
                    raise UserError(self._rescue(error, epoch, best_epoch, best_state)) from None
                self.seconds_per_epoch.append(time.perf_counter() - start)
                if validation.ids:
                    outputs = predict_utterances(self.model, self.frames, self.features, validation.ids).outputs
                    measured |= self.goal.measure("validation", outputs, validation)
                for name, value in measured.items():
                    live.log_metric(name, value)
                score = _selected(measured, training.select) if chooses else epoch
                if score > best:  # never, where it is NaN or the loss infinite
                    best, best_epoch = score, epoch
                    best_state = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
                live.next_step()
                on_epochs(1)
                if training.patience and epoch - max(best_epoch, settled) >= training.patience:
                    break
        on_epochs(self.budget.num_epochs - epoch)  # skipped by early stopping
        if best_state is None:
            raise UserError(
                f"{self.job.run_name}: the validation loss was not finite in any of {epoch} epochs, so select: loss "
                "cannot choose one. Lower its learning_rate, choose another select, or run `ser store verify` to see "
                "whether the features are intact."
            )
        _merge_history(live_folder, self.job.folder / "history.csv")
        self.model.load_state_dict(best_state)
        return best_epoch, epoch

    @property
    def adversarial(self) -> bool:
        """Whether there is a speaker classifier."""
        return self.training.adversarial_weight > 0

    def train_epoch(self, epoch: int) -> dict[str, float]:
        """The steps of one epoch; what history.csv says of them.

        Raises:
            NotFiniteError: a loss or a gradient.
        """
        self.model.train()
        factor = self.scheduler.get_last_lr()[0] / self.scheduler.base_lrs[0]  # the same for classifiers
        measured = {"learning_rate": factor * self.training.learning_rate}
        if self.adversarial:
            alpha = reversal_strength(epoch, self.budget.num_epochs, self.training)
            measured["alpha"] = self.model.head.alpha = alpha
        before = (epoch - 1) * self.budget.epoch_steps
        steps = list(itertools.islice(self._steps, min(self.budget.epoch_steps, self.budget.num_steps - before)))
        # What is measured stays on the device until the epoch ends: a GPU never has to wait.
        losses, norms, predicted, counts = [], [], [], []
        for step in steps:
            loss, answers = self._backward(step)
            losses.append(loss)
            counts.append(len(answers))
            predicted.append(answers)
            norms.append(nn.utils.clip_grad_norm_(self.model.parameters(), self.training.clip_norm))
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.scheduler.step()
        sums, norms = torch.stack(losses).cpu(), torch.stack(norms).cpu()
        for step, finite in enumerate((sums.isfinite().all(dim=1) & norms.isfinite()).tolist(), start=1):
            if not finite:
                raise NotFiniteError(step, float(sums[step - 1, 0]) / counts[step - 1])
        emotion, speaker = (sums.sum(dim=0) / sum(counts)).tolist()
        measured |= {"train_loss": emotion} | ({"speaker_loss": speaker} if self.adversarial else {})
        drawn = list(itertools.chain.from_iterable(itertools.chain.from_iterable(steps)))
        measured |= self.goal.training_scores(torch.cat(predicted), self.train, drawn)
        return measured | {"gradient_norm": float(norms.mean())}

    def _draw_steps(self) -> Iterator[list[list[int]]]:
        """Every step's batches, pass after pass over the training utterances, without end."""
        while True:
            if self.training.sampling == "balanced":
                batches = balanced_batches(self.train.labels, self.training.batch_size, self.generator)
            else:
                batches = shuffled_batches(len(self.train.ids), self.training.batch_size, self.generator)
            while step := list(itertools.islice(batches, self.training.accumulate)):
                yield step

    def _backward(self, batches: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Accumulate one step's gradient; return the summed emotion and speaker loss [2], and the answers."""
        count = sum(map(len, batches))
        total, predicted = torch.zeros(2, device=self.device), []
        for indices in batches:
            frames, lengths = self.frames.gather([self.train.ids[index] for index in indices])
            targets = self.emotions[indices].to(self.device), self.speakers[indices].to(self.device)
            batch = Batch(self.model.standardise(frames, lengths), lengths, *targets)
            if self.training.augment:
                batch = augment(batch, self.training)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.training.precision == "bfloat16"):
                output = self.model.head(batch.frames, batch.lengths)
            loss = self.objective(output, batch.emotions, batch.speakers)
            (loss.total * (len(indices) / count)).backward()
            predicted.append(self.goal.answers(output.emotion_logits))
            speaker = torch.zeros_like(loss.emotion) if loss.speaker is None else loss.speaker
            total += len(indices) * torch.stack([loss.emotion, speaker]).detach()
        return total, torch.cat(predicted)

    def _rescue(self, error: "NotFiniteError", epoch: int, best_epoch: int, best_state: dict | None) -> str:
        """Save the best epoch's weights, and say what happened."""
        kept = "No epoch was finished before, so there are no weights to keep."
        if best_state:
            self.model.load_state_dict(best_state)
            shutil.rmtree(self.job.rescue, ignore_errors=True)
            self.job.rescue.mkdir(parents=True)
            save_head(self.model, self.config | {"best_epoch": best_epoch, "epochs_run": epoch - 1}, self.job.rescue)
            kept = f"The best weights before that, of epoch {best_epoch}, are in {self.job.rescue}."
        what = f"loss {error.loss:g}" + (", and a gradient that is not finite" if np.isfinite(error.loss) else "")
        before = (epoch - 1) * self.budget.epoch_steps
        return (
            f"{self.job.run_name}: {what} in epoch {epoch}, step {error.step} (step {before + error.step} of the run). "
            f"{kept} "
            "Lower its learning_rate, or run `ser store verify` to see whether the features are intact."
        )


class NotFiniteError(Exception):
    """A loss or a gradient is NaN or infinite, in some step of an epoch."""

    def __init__(self, step: int, loss: float):
        super().__init__()
        self.step, self.loss = step, loss


def _selected(measured: dict[str, float], select: str) -> float:
    """The validation score that chooses the epoch; the higher, the better."""
    return -measured["validation_loss"] if select == "loss" else measured[f"validation_{select}"]


def _merge_history(live_folder: Path, path: Path) -> None:
    """DVCLive's one table per metric -> one table, a row per epoch, without clock times."""
    columns = {}
    for table in sorted((live_folder / "plots/metrics").glob("*.tsv")):
        values = pd.read_csv(table, sep="\t").set_index("step")
        columns[table.stem] = values[table.stem]
    history = pd.DataFrame(columns)
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    history.to_csv(path, float_format="%.6g", lineterminator="\n")
    shutil.rmtree(live_folder)
