"""What one training run is asked to do: which head, on which utterances, how, and where its files go."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import UserError
from models.building import head_class
from models.head import HeadSettings, View
from training.choices import settle
from training.schedule import Budget
from training.settings import TrainingSettings
from training.solvable import is_convex

_SECONDS_PER_STEP_ON_MOMENTS = 0.001
_SECONDS_PER_SOLUTION = 1.0


@dataclass(frozen=True)
class Utterances:
    """Utterances that play one role. Ids are opaque strings.

    Attributes:
        ids, speakers: [N].
        labels: class indices [N]; empty for ratings.
        targets: ratings, or the annotators' share of votes for each class, in the order of the outputs [N][C]; empty
            where the labels say everything.
    """

    ids: list[str]
    speakers: list[str]
    labels: list[int]
    targets: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class FoldJob:
    """Everything that `training.run.train_fold` needs; small enough to send to another process.

    Attributes:
        name: the head's name in params.yaml.
        head: its settings.
        training: the parameters of training, with the head's overrides; no longer with ``auto``.
        features: the feature set's folder.
        classes: names in the order of the logits; empty where the head predicts ratings.
        targets: the names of the ratings in the order of the outputs; empty where the head predicts classes.
        fold, seed: which run this is.
        roles: ``train``, ``validation``, ``test`` -> utterances; validation may be empty.
        num_clips: of the training utterances, see `training.clips`.
        fingerprint: names the results.
        folder: where they go; it exists.
        rescue: where the last good weights go if the loss is no longer finite.
        measurement: the file for what the run cost.
        device: ``cpu`` or ``cuda``.
    """

    name: str
    head: HeadSettings
    training: TrainingSettings
    features: Path
    classes: list[str]
    targets: list[str] = field(default_factory=list)
    fold: int
    seed: int
    roles: dict[str, Utterances]
    num_clips: int
    fingerprint: str
    folder: Path
    rescue: Path
    measurement: Path
    device: str = "cpu"

    def __post_init__(self):
        object.__setattr__(self, "training", settle(self.training, self.head, bool(self.targets)))

    def __str__(self) -> str:
        return self.run_name

    @property
    def run_name(self) -> str:
        """Which run this is, for messages."""
        return f"{self.name}, fold {self.fold}, seed {self.seed}"

    @property
    def random_seed(self) -> int:
        """Of the run's random numbers; different for each seed and fold."""
        return self.seed * 1_000_003 + self.fold

    @property
    def num_epochs(self) -> int:
        """The most epochs that the run can have; 1 where a solver finds the minimum."""
        if is_convex(self.head, self.training):
            return 1
        return Budget.of(self.training, self.num_clips).num_epochs

    @property
    def train_speakers(self) -> list[str]:
        """The classes of the speaker classifier."""
        return sorted(set(self.roles["train"].speakers))


def estimated_seconds(head: HeadSettings, training: TrainingSettings, num_clips: int) -> float:
    """About how long a run takes, if it is known to be short; infinity if not."""
    if training_view(head, training) is View.FRAMES:
        return math.inf
    if is_convex(head, training):
        return _SECONDS_PER_SOLUTION
    return Budget.of(training, num_clips).num_steps * _SECONDS_PER_STEP_ON_MOMENTS


def check_job(job: FoldJob) -> None:
    """Find what would make a run fail or meaningless, before any run begins.

    Raises:
        UserError: one training class, a rating that never changes, or a speaker classifier with one training speaker.
    """
    for position, name in enumerate(job.targets):
        if len({ratings[position] for ratings in job.roles["train"].targets}) < 2:
            raise UserError(f"{job.name}, fold {job.fold}: all training utterances have the same {name}.")
    if job.classes and len(set(job.roles["train"].labels)) < 2:
        raise UserError(
            f"{job.name}, fold {job.fold}: all training utterances belong to one class; a head needs at least two."
        )
    if job.training.adversarial_weight and len(job.train_speakers) < 2:
        raise UserError(
            f"{job.name}, fold {job.fold}: the only training speaker is {job.train_speakers[0]}, but a speaker "
            f"classifier needs at least two. Set heads.{job.name}.adversarial_weight: 0, or choose another split."
        )


def training_view(head: HeadSettings, training: TrainingSettings) -> View:
    """What training needs of each utterance: what the head sees of it, or all frames, where they are augmented."""
    return View.FRAMES if training.augment else head_class(head).view(head)
