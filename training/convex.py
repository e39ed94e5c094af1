"""The linear head at its minimum: a library's solver instead of gradient steps; validation chooses the L2 strength."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold
from threadpoolctl import threadpool_limits
from torch import nn

from training.objective import class_weights
from training.settings import TrainingSettings

_PARTS = 5  # of the cross-validation over training speakers, where there is no validation set
_MOST_ITERATIONS = 20_000
_TOLERANCE = 1e-6  # of the gradient; scikit-learn's 1e-4 stops well before the minimum where the penalty is weak
_SMALLEST_DIRECTION = 1e-7  # share of the largest singular value
_ABSENT = -30.0  # the bias of a class without training utterances, relative to the lowest bias


@dataclass(frozen=True)
class Examples:
    """Clips of some utterances.

    Attributes:
        embeddings: float64 [N, E].
        labels: class indices [N].
        speakers: [N].
        utterances: of which utterance each is a clip [N]; None: each is one by itself.
        shares: of the annotators' votes for each class [N, C]; None where there is only the label.
        clean: whether each is a clean clip, not a disturbed copy [N]; None: all are.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    speakers: Sequence[str]
    utterances: Sequence[str] | None = None
    shares: np.ndarray | None = None
    clean: np.ndarray | None = None

    @property
    def in_pieces(self) -> bool:
        """Whether any utterance has several clips."""
        return self.utterances is not None and len(set(self.utterances)) < len(self.utterances)

    def targets(self, num_classes: int) -> np.ndarray:
        """The probability of each class [N, C]."""
        return np.eye(num_classes)[self.labels] if self.shares is None else self.shares


def fit_linear(
    classifier: nn.Linear, strengths: Sequence[float], train: Examples, validation: Examples, training: TrainingSettings
) -> tuple[float, dict[str, float]]:
    """Find a linear layer's weights for the L2 strength with the lowest validation loss.

    It is the loss that counts here, whatever ``select`` says: the UA of a few speakers is too coarse to compare
    strengths. Without validation utterances, or with ``select: last``, strengths are compared by cross-validation over
    the training speakers. Where that is impossible too, the middle strength is used.

    Args:
        classifier: gets the weights.
        strengths: candidates.
        train: utterances to train on, with standardised embeddings.
        validation: utterances to choose on; may be empty.
        training: ``select`` and ``class_weights``.

    Returns:
        The chosen strength, and the losses of those compared: ``f"{strength:g}"`` -> loss.
    """
    num_classes = classifier.out_features
    with threadpool_limits(1):  # the same bytes, whatever else is running
        held_out = len(validation.labels) and training.select != "last"
        parts = [(train, validation)] if held_out else _speaker_parts(train)
        compared = {strength: [] for strength in sorted(strengths, reverse=True)}
        if len(compared) > 1:
            for fitted, tested in parts:
                reduced = _Reduced(fitted.embeddings)
                targets = tested.targets(num_classes)
                for strength, values in compared.items():
                    solution = _solve(reduced, fitted, strength, training)
                    unknown = np.setdiff1d(np.arange(num_classes), solution.classes)
                    known = targets[:, unknown].sum(axis=1) == 0  # nothing could be learnt about others
                    if known.any():
                        values.append(_loss(solution, _some(tested, np.flatnonzero(known)), num_classes))
        losses = {strength: float(np.mean(values)) for strength, values in compared.items() if values}
        chosen = min(losses, key=losses.get) if losses else list(compared)[len(compared) // 2]
        solution = _solve(_Reduced(train.embeddings), train, chosen, training)
    weight, bias = solution.full(num_classes)
    with torch.no_grad():
        classifier.weight.copy_(torch.from_numpy(weight))
        classifier.bias.copy_(torch.from_numpy(bias))
    return chosen, {f"{strength:g}": losses[strength] for strength in sorted(losses)}


class _Reduced:
    """Embeddings as coordinates in the space that they span, in which the solution with an L2 penalty lies. Exact."""

    def __init__(self, embeddings: np.ndarray):
        self.embeddings, self.directions = embeddings, None
        if len(embeddings) < embeddings.shape[1]:
            values, vectors = np.linalg.eigh(embeddings @ embeddings.T)
            real = values > _SMALLEST_DIRECTION**2 * values[-1]
            lengths = np.sqrt(values[real])
            self.embeddings = vectors[:, real] * lengths
            self.directions = embeddings.T @ (vectors[:, real] / lengths)  # [E, rank], orthonormal


@dataclass(frozen=True)
class _Solution:
    """Weights [C', E] and biases [C'] of the classes that occur, whose indices are ``classes``."""

    weight: np.ndarray
    bias: np.ndarray
    classes: np.ndarray

    def full(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights [C, E] and biases [C] of all classes."""
        weight = np.zeros((num_classes, self.weight.shape[1]))
        bias = np.full(num_classes, self.bias.min() + _ABSENT)
        weight[self.classes], bias[self.classes] = self.weight, self.bias
        return weight, bias

    def logits(self, embeddings: np.ndarray, num_classes: int) -> np.ndarray:
        """Of some embeddings [N, E]: [N, C]."""
        weight, bias = self.full(num_classes)
        return embeddings @ weight.T + bias


def _solve(reduced: _Reduced, train: Examples, strength: float, training: TrainingSettings) -> _Solution:
    balanced = training.class_weights == "balanced"
    solver = LogisticRegression(C=1 / strength, max_iter=_MOST_ITERATIONS, tol=_TOLERANCE)
    if train.shares is None:
        solver.set_params(class_weight="balanced" if balanced else None)
        solver.fit(reduced.embeddings, train.labels)
    else:  # once for every class with votes, weighted by its share: the cross-entropy with these shares
        utterances, classes = np.nonzero(train.shares)
        weights = train.shares[utterances, classes]
        if balanced:
            weights = weights * class_weights(train.labels, train.shares.shape[1]).double().numpy()[classes]
        solver.fit(reduced.embeddings[utterances], classes, sample_weight=weights)
    weight, bias = solver.coef_, solver.intercept_
    if len(weight) == 1:  # of two classes, scikit-learn has one row: the second against the first
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    if reduced.directions is not None:
        weight = weight @ reduced.directions.T
    return _Solution(weight, bias, solver.classes_)


def _loss(solution: _Solution, tested: Examples, num_classes: int) -> float:
    """The mean cross-entropy over utterances: of the mean probabilities over the clips of each."""
    logs = log_softmax(solution.logits(tested.embeddings, num_classes), axis=1)
    targets = tested.targets(num_classes)
    if tested.in_pieces:
        _, first, utterance = np.unique(tested.utterances, return_index=True, return_inverse=True)
        sums = np.full((len(first), num_classes), -np.inf)
        np.logaddexp.at(sums, utterance, logs)
        logs, targets = sums - np.log(np.bincount(utterance))[:, None], targets[first]
    return float(-(targets * logs).sum(axis=1).mean())


def _speaker_parts(train: Examples) -> list[tuple[Examples, Examples]]:
    """Cross-validation over training speakers; of a single one, over utterances, whose clips stay together.

    Strengths are compared on clean clips, whatever is trained on.
    """
    speakers = np.array(train.speakers)
    count = len(np.unique(speakers))
    if count > 1:
        cut = GroupKFold(min(_PARTS, count)).split(train.embeddings, train.labels, speakers)
    elif train.in_pieces and len(set(train.utterances)) > 1:
        cut = StratifiedGroupKFold(2).split(train.embeddings, train.labels, train.utterances)
    elif not train.in_pieces and np.bincount(train.labels).max() > 1:
        cut = StratifiedKFold(2).split(train.embeddings, train.labels)
    else:
        return []
    clean = np.full(len(train.labels), True) if train.clean is None else train.clean
    parts = [(_some(train, fitted), _some(train, tested[clean[tested]])) for fitted, tested in cut]
    return [(fitted, tested) for fitted, tested in parts if len(np.unique(fitted.labels)) > 1]


def _some(examples: Examples, index: np.ndarray) -> Examples:
    speakers = [examples.speakers[row] for row in index]
    utterances = None if examples.utterances is None else [examples.utterances[row] for row in index]
    shares = None if examples.shares is None else examples.shares[index]
    clean = None if examples.clean is None else examples.clean[index]
    return Examples(examples.embeddings[index], examples.labels[index], speakers, utterances, shares, clean)
