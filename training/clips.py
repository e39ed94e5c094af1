"""Utterances of several clips: a head trains on each clip, and its answer for an utterance is the mean over them."""

import itertools
from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from data.clip_keys import CLEAN
from features.store import FeatureSet
from training.batches import FrameSource
from training.checkpoint import StandardisedHead
from training.job import Utterances
from training.prediction import Prediction, predict
from training.settings import TrainingSettings


def training_clips(utterances: Utterances, features: FeatureSet, training: TrainingSettings) -> Utterances:
    """The clips that a head trains on: see `clips_of`; ``training.copies`` says of which copies."""
    return clips_of(utterances, features, features.copies if training.copies == "all" else [CLEAN])


def clips_of(utterances: Utterances, features: FeatureSet, copies: Sequence[str] = (CLEAN,)) -> Utterances:
    """The clips of some utterances, each with its utterance's speaker and label; ids are the clips' keys.

    Args:
        utterances: ids and all that is known of them.
        features: which clips there are.
        copies: of each utterance.
    """
    clips = [
        (index, key)
        for index, identifier in enumerate(utterances.ids)
        for copy in copies
        for key in features.clips_of(identifier, copy)
    ]
    columns = {field.name: getattr(utterances, field.name) for field in fields(utterances)}
    of_clips = {name: [values[index] for index, _ in clips] for name, values in columns.items() if values}
    return replace(utterances, **of_clips | {"ids": [key for _, key in clips]})


def predict_utterances(
    model: StandardisedHead, frames: FrameSource, features: FeatureSet, identifiers: Sequence[str], copy: str = CLEAN
) -> Prediction:
    """What a model returns for some utterances, in the order of the ids: the mean over each one's pieces.

    Ratings are means; logits are logarithms of the mean probabilities where an utterance has several pieces; embeddings
    are means. The attention is that on the first piece.
    """
    clips = [features.clips_of(identifier, copy) for identifier in identifiers]
    prediction = predict(model, frames, list(itertools.chain.from_iterable(clips)))
    counts = [len(pieces) for pieces in clips]
    return prediction if set(counts) == {1} else _mean_over_pieces(prediction, counts, model.ratings is not None)


def _mean_over_pieces(prediction: Prediction, counts: Sequence[int], of_ratings: bool) -> Prediction:
    """One row for as many rows as ``counts`` says."""
    attention = prediction.attention
    if attention is not None:
        firsts = itertools.accumulate(counts[:-1], initial=0)
        attention = [attention[first] for first in firsts]
    outputs = prediction.outputs
    means = _means(outputs, counts) if of_ratings else log_mean_probabilities(outputs, counts)
    return Prediction(means, _means(prediction.embeddings, counts), attention)


def _means(rows: Tensor, counts: Sequence[int]) -> Tensor:
    return torch.stack([of_one.mean(dim=0) for of_one in rows.split(list(counts))])


def log_mean_probabilities(logits: Tensor, counts: Sequence[int]) -> Tensor:
    """Logits of pieces [M, C], by utterance -> logarithms of the utterances' mean probabilities [N, C].

    Args:
        logits: of the pieces.
        counts: how many each utterance has [N].
    """
    by_utterance = logits.log_softmax(dim=1).split(list(counts))
    means = [rows.logsumexp(dim=0) - torch.tensor(float(len(rows))).log() for rows in by_utterance]
    return torch.stack(means)
