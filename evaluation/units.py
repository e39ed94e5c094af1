"""What intervals are drawn over: speakers, as far as it is known who is speaking."""

import numpy as np
import pandas as pd

from data.metrics import confusions_by


def confusions_by_speaker(predictions: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Counts [speakers, seeds, C, C] of test predictions; an utterance by an unknown speaker is a unit of its own."""
    speakers = predictions["speaker"].where(predictions["speaker"] != "", "utterance " + predictions["id"])
    return confusions_by(predictions.assign(speaker=speakers), ["speaker", "seed"], classes)


def num_known_speakers(predictions: pd.DataFrame) -> int:
    """How many speakers there are that have a name."""
    return predictions["speaker"][predictions["speaker"] != ""].nunique()
