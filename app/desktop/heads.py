"""The heads that can be picked, and the scales of their ratings."""

from pathlib import Path

from data.errors import UserError
from inference import Predictor
from inference.opening import run_folders
from stages.layout import head_folder

_DEVIATIONS = 3  # of the training ratings, to each side of their mean


def trained_heads() -> list[str]:
    """The names of the heads that are trained here."""
    return [folder.name for folder in sorted(head_folder("").glob("*/")) if _is_trained(folder)]


def rating_scales(predictor: Predictor) -> list[tuple[float, float]] | None:
    """The two ends of the scale on which to show each rating; None of classes."""
    if not predictor.of_ratings:
        return None
    ratings = [run.model.ratings for run in predictor.runs]
    mean = sum(rating.mean for rating in ratings) / len(ratings)
    reach = _DEVIATIONS * sum(rating.deviation for rating in ratings) / len(ratings)
    return list(zip((mean - reach).tolist(), (mean + reach).tolist(), strict=True))


def _is_trained(folder: Path) -> bool:
    try:
        return bool(run_folders(folder))
    except UserError:
        return False
