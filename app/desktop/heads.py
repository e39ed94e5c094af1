"""The heads that can be picked, and the scales of their ratings."""

from pathlib import Path

from data.errors import UserError
from inference import Predictor
from inference.opening import run_folders
from stages.layout import head_folder
from stages.params import PARAMS_FILE, read_yaml

_DEVIATIONS = 3  # of the training ratings, to each side of their mean


def trained_heads() -> list[str]:
    """The names of the heads of params.yaml that are trained."""
    if not PARAMS_FILE.exists():  # outside of a project, with a packed model
        return []
    return [name for name in sorted(read_yaml().get("heads", {})) if _is_trained(head_folder(name))]


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
