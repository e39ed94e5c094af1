"""Linear regression with an L2 penalty in closed form; validation chooses the strength of the penalty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits
from torch import nn

from data.rating_metrics import ccc, rating_sums

_PARTS = 5  # of the cross-validation over training speakers, where there is no validation set


@dataclass(frozen=True)
class RatedExamples:
    """Clips: embeddings float64 [N, E], ratings [N, T], speakers [N], the utterance that each is a clip of [N], and
    whether it is a clean one [N]; None: all are.
    """

    embeddings: np.ndarray
    ratings: np.ndarray
    speakers: Sequence[str]
    utterances: Sequence[str]
    clean: np.ndarray | None = None


def fit_ridge(
    layer: nn.Linear, strengths: Sequence[float], train: RatedExamples, validation: RatedExamples, select: str
) -> tuple[float, dict[str, float]]:
    """Find the weights of the smallest squared error plus ``strength`` times the squared weights.

    Without validation utterances, or with ``select: last``, strengths are compared by cross-validation over the
    training speakers; of a single speaker, over utterances. Where that is impossible too, the middle strength is used.

    Args:
        layer: gets the weights.
        strengths: candidates; strength s is scikit-learn's ``Ridge(alpha=s)``.
        train: utterances to train on, with standardised embeddings and ratings.
        validation: utterances to choose on; may be empty.
        select: ``loss`` compares strengths by the mean squared error; anything else by the mean CCC of the targets.

    Returns:
        The chosen strength, and what was compared: ``f"{strength:g}"`` -> mean squared error, or 1 - CCC.

    Source: Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal Problems".
    """
    with threadpool_limits(1):  # the same bytes, whatever else is running
        held_out = len(validation.ratings) and select != "last"
        parts = [(train, validation)] if held_out else _speaker_parts(train)
        candidates = sorted(strengths, reverse=True)
        reached = {}
        if len(candidates) > 1 and parts:
            for strength in candidates:
                distances = [_distance(_solve(fitted, strength), tested, select) for fitted, tested in parts]
                reached[strength] = float(np.mean(distances))
        chosen = min(reached, key=reached.get) if reached else candidates[len(candidates) // 2]
        solution = _solve(train, chosen)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(solution.coef_))
        layer.bias.copy_(torch.from_numpy(solution.intercept_))
    return chosen, {f"{strength:g}": reached[strength] for strength in sorted(reached)}


def _solve(train: RatedExamples, strength: float) -> Ridge:
    return Ridge(alpha=strength, solver="cholesky").fit(train.embeddings, train.ratings)


def _distance(solution: Ridge, tested: RatedExamples, select: str) -> float:
    """Mean squared error, or 1 - CCC, of the mean prediction over the clips of each utterance."""
    clips = solution.predict(tested.embeddings).reshape(tested.ratings.shape)
    _, first, utterance = np.unique(tested.utterances, return_index=True, return_inverse=True)
    predicted, ratings = np.zeros((len(first), clips.shape[1])), tested.ratings[first]
    np.add.at(predicted, utterance, clips / np.bincount(utterance)[utterance, None])
    if select == "loss":
        return float(np.mean((predicted - ratings) ** 2))
    return float(1 - ccc(rating_sums(ratings, predicted)).mean())


def _speaker_parts(train: RatedExamples) -> list[tuple[RatedExamples, RatedExamples]]:
    """Cross-validation over training speakers; of a single one, over utterances, whose clips stay together.

    Strengths are compared on clean clips, whatever is trained on.
    """
    count = len(set(train.speakers))
    if count > 1:
        cut = GroupKFold(min(_PARTS, count)).split(train.embeddings, groups=np.array(train.speakers))
    elif len(set(train.utterances)) > 3:
        cut = GroupKFold(2).split(train.embeddings, groups=np.array(train.utterances))
    else:
        return []
    clean = np.full(len(train.utterances), True) if train.clean is None else train.clean
    return [(_some(train, fitted), _some(train, tested[clean[tested]])) for fitted, tested in cut]


def _some(examples: RatedExamples, index: np.ndarray) -> RatedExamples:
    speakers, utterances = ([column[row] for row in index] for column in (examples.speakers, examples.utterances))
    clean = None if examples.clean is None else examples.clean[index]
    return RatedExamples(examples.embeddings[index], examples.ratings[index], speakers, utterances, clean)
