"""Scores on disturbed copies: those of a hand computation, and differences on the same speakers."""

import numpy as np
import pandas as pd
import pytest

from evaluation.robustness import assess_copies
from evaluation.settings import EvaluateSettings

SETTINGS = EvaluateSettings(bootstrap=200)


def rows(answers: dict[str, str], seed: int = 1) -> pd.DataFrame:
    """Two speakers who say something angry (a), something calm (c), and something calm again."""
    labels = ["a", "c", "c"]
    return pd.DataFrame(
        {"id": f"{speaker}{number}", "speaker": speaker, "fold": 0, "seed": seed, "label": label, "predicted": answer}
        for speaker, predicted in answers.items()
        for number, (label, answer) in enumerate(zip(labels, predicted, strict=True))
    )


def test_a_copy_is_scored_as_by_hand():
    clean = pd.concat([rows({"x": "acc", "y": "acc"}), rows({"x": "acc", "y": "acc"}, seed=2)])
    noisy = pd.concat([rows({"x": "aca", "y": "ccc"}), rows({"x": "acc", "y": "aca"}, seed=2)])
    room = clean.assign(predicted="c")
    copies = pd.concat([noisy.assign(copy="noise_white_snr5"), room.assign(copy="room_small")])
    noise, echo = assess_copies(copies, clean, ["a", "c"], SETTINGS)
    assert (noise.name, echo.name) == ("noise_white_snr5", "room_small")
    assert noise.metrics["ua"].value == pytest.approx(((1 / 2 + 3 / 4) / 2 + (2 / 2 + 3 / 4) / 2) / 2)
    assert noise.metrics["wa"].value == pytest.approx((4 / 6 + 5 / 6) / 2)
    assert noise.differences["ua"].value == pytest.approx(noise.metrics["ua"].value - 1)
    assert echo.metrics["ua"].value == 0.5
    assert (echo.differences["ua"].low, echo.differences["ua"].high) == (-0.5, -0.5)


def test_differences_are_paired_by_speaker():
    random = np.random.default_rng(4)
    speakers = {f"s{number:02d}": random.uniform(0.3, 0.9) for number in range(12)}
    clean = pd.concat(
        [
            rows(
                {
                    name: "".join("ac"[int(random.uniform() < skill)] for _ in range(3))
                    for name, skill in speakers.items()
                }
            )
        ]
    )
    (same,) = assess_copies(clean.assign(copy="gain_-20"), clean, ["a", "c"], SETTINGS)
    assert same.metrics["ua"].high - same.metrics["ua"].low > 0.1
    assert set(dict(same.differences["ua"]).values()) == {0.0}


def test_without_copies_there_are_no_scores():
    assert assess_copies(None, rows({"x": "acc"}), ["a", "c"], SETTINGS) == []
