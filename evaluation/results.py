"""What an evaluation says, as types: details.json is `Details`, written and read here and nowhere else."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from data.cautions import Caution
from data.task_description import TaskDescription
from evaluation.statistics import FEWEST_TO_TEST

_MOST_SCALARS = 8


class Result(BaseModel):
    """The base of all results: immutable, no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(Result):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class MetricSummary(Result):
    """A metric pooled over folds, mean over seeds.

    Attributes:
        mean, low, high: with the interval over speakers.
        sd_seeds: standard deviation over seeds; None of a single one.
        mean_folds, sd_folds: over the folds' own values; the deviation is None of a single fold.
    """

    mean: float
    low: float
    high: float
    sd_seeds: float | None
    mean_folds: float
    sd_folds: float | None


class Ensemble(Result):
    """The seeds' mean probability as one prediction."""

    ua: float
    wa: float
    macro_f1: float
    weighted_f1: float
    ua_low: float
    ua_high: float


class ClassScores(Result):
    """One class, mean over seeds; ``support`` is its number of utterances."""

    name: str
    recall: float
    precision: float
    f1: float
    support: float


class FoldScores(Result):
    """One test fold, mean over seeds; ``confusion`` [C, C], rows are the references."""

    fold: int
    ua: float
    wa: float
    macro_f1: float
    weighted_f1: float
    confusion: list[list[float]]


class GroupScores(Result):
    """The test utterances of one group, such as a speaker.

    Attributes:
        grouping, group: such as ``gender`` and ``female``.
        utterances, speakers: how many.
        num_classes: how many classes occur.
        resampled: what the intervals are drawn over.
        metrics: every one of `data.metrics.METRICS`, pooled over folds, mean over seeds.
    """

    grouping: str
    group: str
    utterances: int
    speakers: int
    num_classes: int
    resampled: str
    metrics: dict[str, Interval]

    @property
    def has_intervals(self) -> bool:
        """Whether there are enough utterances for intervals that mean anything."""
        return self.utterances >= FEWEST_TO_TEST


class Spread(Result):
    """How much speakers' own UA differ."""

    sd: float
    range: float
    worst: str
    worst_ua: float
    best: str
    best_ua: float


class CorpusScores(Result):
    """One corpus's test utterances, in the folds that trained on certain corpora.

    Attributes:
        tested: the corpus.
        trained_on: the corpora with training utterances in these folds, sorted.
        validated_on: likewise those with validation utterances.
        folds, utterances, speakers: how many.
        classes: those that occur, sorted.
        ua: their mean recall, pooled over these folds, mean over seeds; the interval is over speakers.
    """

    tested: str
    trained_on: list[str]
    validated_on: list[str]
    folds: int
    utterances: int
    speakers: int
    classes: list[str]
    ua: Interval


class CopyScores(Result):
    """A head on one disturbed copy of its test utterances, pooled over folds, mean over seeds.

    Attributes:
        name: such as ``noise_white_snr5``.
        metrics: ``ua, wa, macro_f1``, with intervals over speakers.
        differences: the same, copy minus clean.
    """

    name: str
    metrics: dict[str, Interval]
    differences: dict[str, Interval]


class Bin(Result):
    """Predictions of similar confidence; ``share`` is of all predictions."""

    confidence: float
    accuracy: float
    share: float


class Calibration(Result):
    """Expected calibration error, mean confidence, and the bins that are not empty."""

    ece: float
    mean_confidence: float
    bins: list[Bin]


class Assessment(Result):
    """Everything that can be said of test predictions, whoever made them.

    Attributes:
        classes: in the order of all rows and columns below.
        num_present: how many classes occur in the references.
        chance_ua, majority_wa: of a constant answer.
        num_folds, num_seeds, num_speakers, num_utterances: what was tested.
        metrics: each of `data.metrics.METRICS`.
        ensemble: None with one seed, or without probabilities.
        confusion: counts [C, C], mean over seeds; rows are the references.
        per_class, per_fold, groups, across_corpora: scores of parts.
        spread: None of a single speaker.
        calibration: None without probabilities.
    """

    classes: list[str]
    num_present: int
    chance_ua: float
    majority_wa: float
    num_folds: int
    num_seeds: int
    num_speakers: int
    num_utterances: int
    metrics: dict[str, MetricSummary]
    ensemble: Ensemble | None
    confusion: list[list[float]]
    per_class: list[ClassScores]
    per_fold: list[FoldScores]
    groups: list[GroupScores]
    across_corpora: list[CorpusScores]
    spread: Spread | None
    calibration: Calibration | None

    def headline(self) -> dict[str, float]:
        """metrics.json: at most eight scalars, which become columns of `dvc exp show`.

        Returns:
            ``ua, wa, macro_f1`` pooled over folds, with ``ua_low`` and ``ua_high``; ``ua_folds, wa_folds``, means over
            folds; all of them means over seeds; ``ua_sd_seeds``, unless there is one seed only.
        """
        ua, wa, macro_f1 = (self.metrics[name] for name in ("ua", "wa", "macro_f1"))
        scalars = {"ua": ua.mean, "ua_low": ua.low, "ua_high": ua.high, "wa": wa.mean, "macro_f1": macro_f1.mean}
        scalars |= {"ua_folds": ua.mean_folds, "wa_folds": wa.mean_folds, "ua_sd_seeds": ua.sd_seeds}
        return {name: round(value, 4) for name, value in scalars.items() if value is not None}

    def summary(self) -> str:
        """The result in a line."""
        ua = self.metrics["ua"]
        return f"UA {ua.mean:.1%} [{ua.low:.1%}, {ua.high:.1%}], chance {self.chance_ua:.1%}"


class TargetScores(Result):
    """The ratings of one target and what is predicted of them, pooled over folds.

    Attributes:
        name: of the target.
        least, most, mean, deviation: of the ratings.
        predicted_mean, predicted_deviation: of the predictions, mean over seeds.
        metrics: each of `data.rating_metrics.RATING_METRICS`.
    """

    name: str
    least: float
    most: float
    mean: float
    deviation: float
    predicted_mean: float
    predicted_deviation: float
    metrics: dict[str, MetricSummary]


class RegressionFold(Result):
    """One test fold, mean over seeds: the metrics as means over targets, and the CCC of each target."""

    fold: int
    metrics: dict[str, float]
    ccc: dict[str, float]


class RegressionGroup(Result):
    """The test utterances of one group, such as a speaker, pooled over folds, mean over seeds.

    Attributes:
        grouping, group: such as ``gender`` and ``female``.
        utterances, speakers: how many.
        resampled: what the intervals are drawn over.
        metrics: each of `data.rating_metrics.RATING_METRICS`, as means over targets.
        ccc: of each target.
        bias: of each target, the mean of prediction minus rating.
    """

    grouping: str
    group: str
    utterances: int
    speakers: int
    resampled: str
    metrics: dict[str, Interval]
    ccc: dict[str, float]
    bias: dict[str, Interval]

    @property
    def has_intervals(self) -> bool:
        """Whether there are enough utterances for intervals that mean anything."""
        return self.utterances >= FEWEST_TO_TEST


class RegressionAssessment(Result):
    """Everything that can be said of predicted ratings, whoever made them.

    Attributes:
        targets: their names.
        num_folds, num_seeds, num_speakers, num_utterances: what was tested.
        metrics: each of `data.rating_metrics.RATING_METRICS`, as means over targets.
        per_target, per_fold, groups: scores of parts.
        ensemble: the metrics of the seeds' mean prediction; None with one seed.
    """

    targets: list[str]
    num_folds: int
    num_seeds: int
    num_speakers: int
    num_utterances: int
    metrics: dict[str, MetricSummary]
    per_target: list[TargetScores]
    per_fold: list[RegressionFold]
    groups: list[RegressionGroup]
    ensemble: dict[str, Interval] | None

    def headline(self) -> dict[str, float]:
        """metrics.json: at most eight scalars, which become columns of `dvc exp show`.

        Returns:
            ``ccc``, the mean over targets, pooled over folds, with ``ccc_low`` and ``ccc_high``; ``ccc_folds``, its
            mean over folds; ``ccc_<target>`` of as many targets as there is room for; then ``mae``, ``pearson``; all of
            them means over seeds.
        """
        ccc = self.metrics["ccc"]
        scalars = {"ccc": ccc.mean, "ccc_low": ccc.low, "ccc_high": ccc.high, "ccc_folds": ccc.mean_folds}
        scalars |= {f"ccc_{target.name}": target.metrics["ccc"].mean for target in self.per_target}
        scalars |= {name: self.metrics[name].mean for name in ("mae", "pearson")}
        return {name: round(value, 4) for name, value in list(scalars.items())[:_MOST_SCALARS]}

    def summary(self) -> str:
        """The result in a line."""
        ccc = self.metrics["ccc"]
        own = ", ".join(f"{target.name} {target.metrics['ccc'].mean:.3f}" for target in self.per_target)
        return f"CCC {ccc.mean:.3f} [{ccc.low:.3f}, {ccc.high:.3f}] ({own})"


class SpeakerProbe(Result):
    """Balanced accuracies of identifying speakers, from a head's embedding and from raw features.

    Attributes:
        embedding, raw: the accuracies.
        session_gender: the best that is possible when only these two are known.
        chance: without knowing anything.
    """

    embedding: float
    raw: float
    session_gender: float
    chance: float


class FoldProbe(SpeakerProbe):
    """The probe of one fold.

    Attributes:
        fold: its number.
        within: whether speakers were identified among those of the same session and gender only.
        speakers: how many.
        dimension: to which both inputs were reduced.
    """

    fold: int
    within: bool
    speakers: int
    dimension: int


class Leakage(Result):
    """How much of the speaker is left in a head's embedding: the mean over folds, and each fold that could be probed.

    ``within`` is the same in all of them.
    """

    within: bool
    mean: SpeakerProbe
    per_fold: list[FoldProbe]


class LayerWeight(Result):
    """The weight of one layer: mean over folds and seeds, least and most."""

    layer: int
    weight: float
    least: float
    most: float


class Distribution(Result):
    """A number that differs between runs."""

    median: float
    least: float
    most: float


class Epochs(Result):
    """Which epoch was chosen, of how many, and the learning rate and alpha it had.

    Attributes:
        best, run: the epoch that was chosen, and how many were run.
        budget: such as ``50 epochs``.
        unit: what an epoch is: ``epoch``, or such as ``500 steps``.
        learning_rate, alpha: of the epoch that was chosen.
    """

    best: Distribution
    run: Distribution
    budget: str
    unit: str
    learning_rate: Distribution
    alpha: Distribution


class Strength(Result):
    """An L2 strength, and how many runs chose it."""

    strength: float
    runs: int


class RoleSizes(Result):
    """How many utterances of a fold play each role."""

    train: int
    validation: int
    test: int


class TaskData(Result):
    """The utterances of a task that have features.

    Attributes:
        description: the task and its corpora.
        utterances, speakers: how many; of each class and corpus in ``counts`` (corpus -> class -> utterances; no class
            where the targets are ratings).
        fold_sizes: by fold.
        skipped: how many more the splits name, whose audio cannot be used.
    """

    description: TaskDescription
    utterances: int
    speakers: int
    counts: dict[str, dict[str, int]]
    fold_sizes: list[RoleSizes]
    skipped: int

    def count(self, label: str) -> int:
        """The utterances of a class, of all corpora."""
        return sum(of_corpus.get(label, 0) for of_corpus in self.counts.values())

    @property
    def unvalidated(self) -> int:
        """How many folds have no validation utterances."""
        return sum(sizes.validation == 0 for sizes in self.fold_sizes)


class FeatureData(Result):
    """The features that a head was trained on.

    Attributes:
        name: ``<set>/<corpus>``.
        clips: how many.
        seconds: of the task's utterances before they were cut.
        share_cut: of them, the share that clips leave out.
        frame_rate: frames per second; 0 where a clip is one frame.
        recipe: what determines the features.
        encoders: the checkpoints that made them, with their revisions; none of features without weights.
        provenance: the ways in which they were computed.
    """

    name: str
    clips: int
    seconds: float
    share_cut: float
    frame_rate: float
    recipe: dict[str, Any]
    encoders: list[dict[str, Any]]
    provenance: list[dict[str, Any]]

    @property
    def set(self) -> str:
        """The feature set, without the corpus."""
        return self.name.partition("/")[0]


class Fingerprints(Result):
    """Of the pieces that features and runs were made of: they name the measurements that belong to them."""

    features: list[str]
    head: list[str]


class Training(Result):
    """How a head was trained here, and what only that can tell.

    Attributes:
        features: what it was trained on.
        settings: the head's own parameters, ``model`` among them.
        parameters: those of training.
        num_parameters: how many weights.
        layers: which it reads.
        layer_weights: None of a head that does not mix layers.
        epochs: None where a solver found the weights.
        l2: the strengths that were chosen, where a solver found the weights.
        leakage: None where it cannot be measured.
        fingerprints: of what was made.
    """

    features: FeatureData
    settings: dict[str, Any]
    parameters: dict[str, Any]
    num_parameters: int
    layers: list[int]
    layer_weights: list[LayerWeight] | None
    epochs: Epochs | None
    l2: list[Strength] | None
    leakage: Leakage | None
    fingerprints: Fingerprints

    @property
    def model(self) -> str:
        """The head's model."""
        return self.settings["model"]


class PredictionsFile(Result):
    """Where predictions that were made elsewhere come from."""

    file: str
    sha256: str


class HeadDetails(Result):
    """What is said of every head, or of predictions made elsewhere, whatever is predicted.

    Attributes:
        head: its name.
        task: the task's name.
        corpora: of the task, sorted.
        features: ``<set>/<corpus>``; None of predictions made elsewhere.
        seeds: of the runs.
        data: the task's utterances.
        training: None of predictions made elsewhere.
        source: their file; None of a head trained here.
        cautions: what a reader has to know.
    """

    head: str
    task: str
    corpora: list[str]
    features: str | None
    seeds: list[int]
    data: TaskData
    training: Training | None
    source: PredictionsFile | None
    cautions: list[Caution]

    def write(self, path: Path) -> None:
        """Write details.json."""
        path.write_text(self.model_dump_json(indent=1) + "\n")


class Details(HeadDetails, Assessment):
    """details.json of a task of classes.

    Attributes:
        robustness: scores on disturbed copies; empty where the features have none.
    """

    robustness: list[CopyScores] = []


class RegressionDetails(HeadDetails, RegressionAssessment):
    """details.json of a task of ratings."""


def read_details(path: Path) -> Details | RegressionDetails:
    """Read details.json."""
    text = path.read_text()
    kind = RegressionDetails if "targets" in json.loads(text) else Details
    return kind.model_validate_json(text)
