"""What intervals are drawn over: speakers, as far as it is known who is speaking."""

import numpy as np
import pandas as pd

from data.metrics import confusions_by
from data.rating_metrics import rating_sums_by


def confusions_by_speaker(predictions: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Counts [speakers, seeds, C, C] of test predictions; an utterance by an unknown speaker is a unit of its own."""
    return confusions_by(_with_units(predictions), ["speaker", "seed"], classes)


def rating_sums_by_speaker(predictions: pd.DataFrame, targets: list[str]) -> np.ndarray:
    """Sums [speakers, seeds, T, 7] of predicted ratings; an utterance by an unknown speaker is a unit of its own."""
    return rating_sums_by(_with_units(predictions), ["speaker", "seed"], targets)


def num_known_speakers(predictions: pd.DataFrame) -> int:
    """How many speakers there are that have a name."""
    return predictions["speaker"][predictions["speaker"] != ""].nunique()


def _with_units(predictions: pd.DataFrame) -> pd.DataFrame:
    speakers = predictions["speaker"].where(predictions["speaker"] != "", "utterance " + predictions["id"])
    return predictions.assign(speaker=speakers)
