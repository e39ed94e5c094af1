"""Everything the evaluate stage wrote of the heads."""

import json
from pathlib import Path

import pandas as pd

from data.errors import UserError
from evaluation.attention import read_attention

_TABLES = ("learning_curve", "embedding", "predictions")
_TEXT = dict.fromkeys(("id", "speaker", "label", "predicted", "emotion", "role"), str)


def read_evaluations(folder: Path, heads: list[str], classes: list[str]) -> list[dict]:
    """Read the details, the tables and the attention of exactly these heads.

    Args:
        folder: ``artifacts/evaluation``.
        heads: in the order in which they are shown.
        classes: likewise.

    Raises:
        UserError: one of them has not been evaluated here.
    """
    missing = [head for head in heads if not (folder / head / "details.json").is_file()]
    if missing:
        raise UserError(
            f"{folder}: no evaluation of {', '.join(missing)}, which params.yaml names. "
            "Get a colleague's with `dvc pull evaluate`, or make them with `dvc repro`."
        )
    evaluations = []
    for head in heads:
        details = in_display_order(json.loads((folder / head / "details.json").read_text()), classes)
        for name in _TABLES:
            details[name] = pd.read_csv(folder / head / f"{name}.csv", dtype=_TEXT, keep_default_na=False)
        details["attention"] = read_attention(folder / head / "attention.safetensors")
        evaluations.append(details)
    return evaluations


def in_display_order(details: dict, classes: list[str]) -> dict:
    """Details with everything that has a place per class in this order; classes that it lacks come last."""
    order = {name: place for place, name in enumerate(classes)}
    names = sorted(details["classes"], key=lambda name: (order.get(name, len(order)), name))
    places = [details["classes"].index(name) for name in names]
    codes = details["run"]["codes"]

    def reordered(confusion: list[list[float]]) -> list[list[float]]:
        return [[confusion[row][column] for column in places] for row in places]

    return {
        **details,
        "classes": names,
        "confusion": reordered(details["confusion"]),
        "per_class": [details["per_class"][place] for place in places],
        "per_fold": [{**fold, "confusion": reordered(fold["confusion"])} for fold in details["per_fold"]],
        "run": {**details["run"], "codes": {name: codes[name] for name in names}},
    }
