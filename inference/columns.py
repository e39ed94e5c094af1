"""An answer as columns, wherever it is written: ``predicted, confidence, p_<class>...``, as predictions.csv names them.

Ratings have ``predicted_<target>...`` alone.
"""

from collections.abc import Sequence

import numpy as np

from data.rating_metrics import predicted_columns


def answer_columns(names: Sequence[str], of_ratings: bool) -> list[str]:
    """The columns of a head's answers.

    Args:
        names: of its outputs, in their order.
        of_ratings: whether they are ratings.
    """
    if of_ratings:
        return predicted_columns(names)
    return ["predicted", "confidence", *(f"p_{name}" for name in names)]


def answer_values(
    outputs: np.ndarray, names: Sequence[str], of_ratings: bool, digits: int | None = None
) -> dict[str, str | float]:
    """Column -> value of one answer.

    Args:
        outputs: probabilities or ratings [C].
        names, of_ratings: see `answer_columns`.
        digits: after the decimal point, to which values are rounded; None leaves them as they are.
    """
    values: list[str | float] = [float(value) if digits is None else round(float(value), digits) for value in outputs]
    if not of_ratings:
        best = int(np.argmax(outputs))
        values = [names[best], values[best], *values]
    return dict(zip(answer_columns(names, of_ratings), values, strict=True))
