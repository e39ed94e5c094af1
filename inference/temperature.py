"""Temperature scaling: one number per run that makes its confidence fit how often it is right.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from evaluation.results import Interval, Result
from evaluation.settings import EvaluateSettings

BINS = 10  # of the expected calibration error, as in the report
_SMALLEST = 5e-7  # predictions.csv has six decimals
_RANGE = (np.log(0.05), np.log(20.0))  # of the logarithm of a temperature
_MOST_PARTS = 10  # of a cross-validation


class Scores(Result):
    """How well confidence fits: expected calibration error, negative log-likelihood, mean confidence, accuracy."""

    ece: Interval
    nll: Interval
    confidence: float
    accuracy: float


class Comparison(Result):
    """Answers to the same utterances without and with temperatures.

    Attributes:
        what: ``validation`` (every temperature fitted on other speakers), ``test`` (single runs) or ``test_mean`` (the
            mean of the runs that were tested on the same utterances).
        utterances, speakers: how many; with known speakers.
        before, after: the scores.
        ece_difference: after minus before.
    """

    what: str
    utterances: int
    speakers: int
    before: Scores
    after: Scores
    ece_difference: Interval


class TemperatureScaling(Result):
    """What temperatures do to the confidence of some runs.

    Attributes:
        fitted: run -> the temperature that fits its validation utterances best.
        used: whether the pack has them: they lower the error on validation speakers that they were not fitted on.
        by_speaker: whether they were judged on other speakers; on other utterances of the only one otherwise.
        comparisons: in the order of `Comparison.what`.
    """

    fitted: dict[str, float]
    used: bool
    by_speaker: bool
    comparisons: list[Comparison]

    def of(self, what: str) -> Comparison | None:
        """A comparison by its name."""
        return next((comparison for comparison in self.comparisons if comparison.what == what), None)


def scale_temperatures(
    runs: Mapping[str, pd.DataFrame], classes: Sequence[str], settings: EvaluateSettings
) -> TemperatureScaling | None:
    """Fit a temperature for every run, and judge them where they were not fitted.

    The pack answers with the mean over its runs. Only runs of the same fold have validation and test utterances in
    common that none of them was trained on; so the mean over those is what decides.

    Args:
        runs: name -> its undisturbed predictions: ``fold, id, role, speaker, label`` and ``p_<class>``.
        classes: in the order of the outputs.
        settings: of the bootstrap.

    Returns:
        None if a run has no validation utterances.
    """
    validation = {name: _Answers.of(table, "validation", classes) for name, table in runs.items()}
    if not all(len(answers.labels) for answers in validation.values()):
        return None
    test = {name: _Answers.of(table, "test", classes) for name, table in runs.items()}
    fitted = {name: fit_temperature(answers.logits, answers.labels) for name, answers in validation.items()}
    held_out = {name: answers.cross_validated() for name, answers in validation.items()}
    scaled = {name: answers.scaled(fitted[name]) for name, answers in test.items()}
    decisive = _compare("validation", _means(validation), _means(held_out), settings)
    comparisons = [decisive, _compare("test", _apart(test), _apart(scaled), settings)]
    if len(_means(test)) < len(test):
        comparisons.append(_compare("test_mean", _means(test), _means(scaled), settings))
    return TemperatureScaling(
        fitted={name: round(value, 4) for name, value in fitted.items()},
        used=decisive.ece_difference.value < 0,
        by_speaker=all(answers.num_speakers > 1 for answers in validation.values()),
        comparisons=comparisons,
    )


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature under which labels are most likely.

    Args:
        logits: [N, C]; logarithms of probabilities will do.
        labels: class indices [N].

    Returns:
        Above 1 where a model is too confident, below 1 where it is not confident enough; from 0.05 to 20. 1 where no
        label is missed: the more confident, the likelier are they then, without end.
    """
    if (logits.argmax(axis=1) == labels).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(scaled[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=_RANGE, method="bounded", options={"xatol": 1e-6}).x))


class _Answers:
    """What a run, or the mean of some, says of some utterances.

    Attributes:
        logits: logarithms of probabilities [N, C].
        table: ``fold, seed, id, speaker`` of them.
        labels: class indices [N].
    """

    def __init__(self, logits: np.ndarray, table: pd.DataFrame, labels: np.ndarray):
        self.logits, self.table, self.labels = logits, table, labels

    @classmethod
    def of(cls, table: pd.DataFrame, role: str, classes: Sequence[str]) -> "_Answers":
        """The rows of one role, by id."""
        rows = table[table["role"] == role].sort_values("id", ignore_index=True)
        probabilities = rows[[f"p_{name}" for name in classes]].to_numpy()
        labels = rows["label"].map({name: index for index, name in enumerate(classes)}).to_numpy()
        return cls(np.log(np.maximum(probabilities, _SMALLEST)), rows[["fold", "seed", "id", "speaker"]], labels)

    @property
    def units(self) -> pd.Series:
        """The speaker of each utterance, or the utterance itself where the speaker is not known."""
        return self.table["speaker"].where(self.table["speaker"] != "", "utterance " + self.table["id"])

    @property
    def num_speakers(self) -> int:
        return self.units.nunique()

    def scaled(self, temperature: float) -> "_Answers":
        return _Answers(log_softmax(self.logits / temperature, axis=1), self.table, self.labels)

    def cross_validated(self) -> "_Answers":
        """Each speaker scaled by the temperature that fits the others; of a single speaker, utterances likewise."""
        units = self.units if self.num_speakers > 1 else self.table["id"]
        part = pd.factorize(units, sort=True)[0] % _MOST_PARTS
        logits = self.logits.copy()
        for number in np.unique(part):
            held_out = part == number
            if not held_out.all():
                temperature = fit_temperature(self.logits[~held_out], self.labels[~held_out])
                logits[held_out] = log_softmax(self.logits[held_out] / temperature, axis=1)
        return _Answers(logits, self.table, self.labels)


def _apart(runs: Mapping[str, _Answers]) -> list[_Answers]:
    return list(runs.values())


def _means(runs: Mapping[str, _Answers]) -> list[_Answers]:
    """The mean probabilities of the runs of each fold."""
    by_fold: dict[int, list[_Answers]] = {}
    for answers in runs.values():
        by_fold.setdefault(int(answers.table["fold"].iloc[0]), []).append(answers)
    return [
        _Answers(
            np.log(np.mean([np.exp(answers.logits) for answers in of_fold], axis=0)),
            of_fold[0].table.assign(seed=0),
            of_fold[0].labels,
        )
        for of_fold in by_fold.values()
    ]


def _compare(
    what: str, before: Sequence[_Answers], after: Sequence[_Answers], settings: EvaluateSettings
) -> Comparison:
    one, other = (_Sums(answers, settings) for answers in (before, after))
    return Comparison(
        what=what,
        utterances=one.num_utterances,
        speakers=one.num_speakers,
        before=one.scores(),
        after=other.scores(),
        ece_difference=_interval(other.ece - one.ece),
    )


class _Sums:
    """Scores of some answers, pooled over folds, mean over seeds, and of resampled speakers.

    Attributes:
        ece: expected calibration error [1 + resamples], the first of all utterances.
    """

    def __init__(self, answers: Sequence[_Answers], settings: EvaluateSettings):
        logits = np.concatenate([some.logits for some in answers])
        labels = np.concatenate([some.labels for some in answers])
        tables = pd.concat([some.table for some in answers], ignore_index=True)
        units = pd.concat([some.units for some in answers], ignore_index=True)
        confidence = np.exp(logits.max(axis=1))
        columns = np.stack(
            [
                np.ones(len(labels)),
                confidence,
                logits.argmax(axis=1) == labels,
                -logits[np.arange(len(labels)), labels],
            ],
            axis=1,
        )
        unit, known = pd.factorize(units, sort=True)
        seed, seeds = pd.factorize(tables["seed"], sort=True)
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        sums = np.zeros((len(known), len(seeds), BINS, columns.shape[1]))
        np.add.at(sums, (unit, seed, bins), columns)
        draws = np.random.default_rng(settings.seed).multinomial(
            len(known), np.full(len(known), 1 / len(known)), size=settings.bootstrap
        )
        pooled = np.tensordot(
            np.concatenate([np.ones((1, len(known))), draws]), sums, axes=1
        )  # [1 + R, seeds, BINS, 4]
        totals = pooled.sum(axis=2)
        counts = np.maximum(totals[..., 0], 1)
        distances = np.abs(pooled[..., 1] - pooled[..., 2]).sum(axis=2)
        self.ece = (distances / counts).mean(axis=1)
        self._nll = (totals[..., 3] / counts).mean(axis=1)
        self._confidence, self._accuracy = ((totals[0, :, column] / counts[0]).mean() for column in (1, 2))
        self.num_utterances = tables["id"].nunique()
        self.num_speakers = tables["speaker"][tables["speaker"] != ""].nunique()

    def scores(self) -> Scores:
        return Scores(
            ece=_interval(self.ece),
            nll=_interval(self._nll),
            confidence=float(self._confidence),
            accuracy=float(self._accuracy),
        )


def _interval(values: np.ndarray) -> Interval:
    """The first value, with the 95 % interval of the others."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Interval(value=float(values[0]), low=float(low), high=float(high))
