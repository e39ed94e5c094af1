"""Whether a head is correct as often as its confidence says: reliability and expected calibration error."""

import numpy as np
import pandas as pd

from evaluation.results import Bin, Calibration

_BINS = 10


def reliability(test: pd.DataFrame, classes: list[str]) -> Calibration:
    """Bins of equal width over the winning class's probability.

    Args:
        test: test predictions of all seeds, with ``seed, label, predicted`` and ``p_<class>``.
        classes: names.

    Returns:
        ``ece`` is the mean over seeds of the share-weighted distance between confidence and accuracy; ``bins`` are over
        all seeds.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
    """
    table = pd.DataFrame(
        {
            "seed": test["seed"].to_numpy(),
            "confidence": test[[f"p_{name}" for name in classes]].max(axis=1).to_numpy(),
            "correct": (test["label"] == test["predicted"]).to_numpy(),
        }
    )
    table["bin"] = np.minimum((table["confidence"] * _BINS).astype(int), _BINS - 1)
    return Calibration(
        ece=float(np.mean([_error(rows) for _, rows in table.groupby("seed")])),
        mean_confidence=float(table["confidence"].mean()),
        bins=[
            Bin(
                confidence=float(rows["confidence"].mean()),
                accuracy=float(rows["correct"].mean()),
                share=len(rows) / len(table),
            )
            for _, rows in table.groupby("bin")
        ],
    )


def _error(rows: pd.DataFrame) -> float:
    bins = rows.groupby("bin")
    distance = (bins["confidence"].mean() - bins["correct"].mean()).abs()
    return float((distance * bins.size()).sum() / len(rows))
