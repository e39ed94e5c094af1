"""Intervals where nobody knows who is speaking."""

import numpy as np
import pandas as pd
import pytest

from evaluation.assessment import assess_predictions
from evaluation.cautions import interval_cautions
from evaluation.settings import EvaluateSettings


def predictions(speakers: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of forty utterances, three quarters of them correct, and their split."""
    ids = [f"u{number:02d}" for number in range(40)]
    labels = ["a", "b"] * 20
    wrong = np.arange(40) % 8 < 2
    predicted = [
        other if is_wrong else label for label, other, is_wrong in zip(labels, ["b", "a"] * 20, wrong, strict=True)
    ]
    common = {"id": ids, "speaker": speakers, "label": labels}
    splits = pd.DataFrame(
        {**common, "corpus": "ours", "gender": "", "session": "", "style": "", "dialog": "", "fold_0": "test"}
    )
    return pd.DataFrame({**common, "fold": 0, "seed": 1, "predicted": predicted}), splits


def assess(speakers: list[str]):
    return assess_predictions(*predictions(speakers), ["a", "b"], EvaluateSettings(bootstrap=200))


def test_utterances_by_unknown_speakers_are_units_of_their_own():
    unknown, apart = assess([""] * 40), assess([f"s{number:02d}" for number in range(40)])
    assert unknown.num_speakers == 0
    assert unknown.metrics["ua"].mean == pytest.approx(0.75)
    assert (unknown.metrics["ua"].low, unknown.metrics["ua"].high) == (
        apart.metrics["ua"].low,
        apart.metrics["ua"].high,
    )
    assert unknown.metrics["ua"].low < 0.75 < unknown.metrics["ua"].high
    assert interval_cautions(unknown) == []
    assert not [row for row in unknown.groups if row.grouping == "speaker"]
