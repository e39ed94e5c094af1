"""What ``auto`` stands for in the parameters of training, which depends on the task, and what does not fit the task."""

from data.errors import UserError
from models.head import HeadSettings
from training.objective import RATING_LOSSES
from training.settings import TrainingSettings
from training.solvable import is_convex

_OF_CLASSES = {"loss": ("cross_entropy", "kl"), "select": ("ua", "wa")}
_OF_RATINGS = {"loss": RATING_LOSSES, "select": ("ccc",)}
_FOR_CLASSES_ONLY = {"label_smoothing": 0.0, "class_weights": "none", "sampling": "shuffled"}  # and what turns it off


def settle(training: TrainingSettings, head: HeadSettings, predicts_ratings: bool) -> TrainingSettings:
    """The same parameters with a loss and a score to select by.

    Args:
        training: of a head.
        head: its own parameters.
        predicts_ratings: whether its task has ratings as targets, or else classes.

    Returns:
        Of classes ``cross_entropy`` and ``ua`` in the place of ``auto``; of ratings ``ccc`` and ``ccc``, or the loss
        ``mse`` where a solver can find its minimum.
    """
    if not predicts_ratings:
        chosen = {"loss": "cross_entropy", "select": "ua"}
    else:
        chosen = {"loss": "mse" if is_convex(head, training) else "ccc", "select": "ccc"}
    return training.model_copy(update={key: value for key, value in chosen.items() if getattr(training, key) == "auto"})


def check_choices(training: TrainingSettings, predicts_ratings: bool, where: str) -> None:
    """Refuse parameters that mean nothing for a task.

    Args:
        training: of a head.
        predicts_ratings: whether its task has ratings as targets, or else classes.
        where: the head's key in params.yaml.

    Raises:
        UserError: naming the parameter, and what to write instead.
    """
    kind, other = ("ratings", "classes") if predicts_ratings else ("classes", "ratings")
    valid, wrong = (_OF_RATINGS, _OF_CLASSES) if predicts_ratings else (_OF_CLASSES, _OF_RATINGS)
    for key, values in wrong.items():
        if (value := getattr(training, key)) in values:
            raise UserError(
                f"params.yaml: {where}.{key}: {value} is for {other}, and the task of this head has {kind}; use "
                f"auto or {' or '.join(valid[key])}, in training or in {where}"
            )
    for key, off in _FOR_CLASSES_ONLY.items():
        if predicts_ratings and (value := getattr(training, key)) != off:
            raise UserError(f"params.yaml: {where}.{key}: {value} means nothing for ratings; set {where}.{key}: {off}")
