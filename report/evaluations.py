"""Everything the evaluate stage wrote of the heads."""

import json
from pathlib import Path

import pandas as pd

from data.errors import UserError
from evaluation.attention import read_attention

_TABLES = ("learning_curve", "embedding", "predictions")
_TEXT = dict.fromkeys(("id", "speaker", "label", "predicted", "emotion", "role"), str)


def read_evaluations(folder: Path, heads: list[str]) -> list[dict]:
    """Read the details, the tables and the attention of exactly these heads.

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
        details = json.loads((folder / head / "details.json").read_text())
        for name in _TABLES:
            details[name] = pd.read_csv(folder / head / f"{name}.csv", dtype=_TEXT, keep_default_na=False)
        details["attention"] = read_attention(folder / head / "attention.safetensors")
        evaluations.append(details)
    return evaluations
