"""Everything the evaluate stage wrote of the heads."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.errors import UserError
from evaluation.evaluation import Evaluation, read_evaluation
from evaluation.results import Details, RegressionDetails


def read_evaluations(folder: Path, heads: Sequence[str], classes: Mapping[str, Sequence[str]]) -> list[Evaluation]:
    """Read the evaluations of exactly these heads.

    Args:
        folder: ``artifacts/evaluation``.
        heads: in the order in which they are shown.
        classes: task -> its classes, likewise.

    Raises:
        UserError: one of them has not been evaluated here.
    """
    missing = [head for head in heads if not (folder / head / "details.json").is_file()]
    if missing:
        raise UserError(
            f"{folder}: no evaluation of {', '.join(missing)}, which params.yaml names. "
            "Get a colleague's with `dvc pull evaluate`, or make them with `dvc repro`."
        )
    evaluations = [read_evaluation(folder / head) for head in heads]
    return [
        dataclasses.replace(
            evaluation, details=in_display_order(evaluation.details, classes.get(evaluation.details.task, ()))
        )
        for evaluation in evaluations
    ]


def in_display_order(details: Details | RegressionDetails, classes: Sequence[str]) -> Details | RegressionDetails:
    """Details with their classes, and all rows and columns per class, in this order; classes not named come last.

    Ratings are in order already: DVC sees the order of a list.
    """
    if isinstance(details, RegressionDetails):
        return details
    rank = {name: position for position, name in enumerate(classes)}
    names = sorted(details.classes, key=lambda name: (rank.get(name, len(rank)), name))
    order = [details.classes.index(name) for name in names]

    def reordered(confusion: list[list[float]]) -> list[list[float]]:
        return [[confusion[row][column] for column in order] for row in order]

    return details.model_copy(
        update={
            "classes": names,
            "confusion": reordered(details.confusion),
            "per_class": [details.per_class[index] for index in order],
            "per_fold": [fold.model_copy(update={"confusion": reordered(fold.confusion)}) for fold in details.per_fold],
        }
    )
