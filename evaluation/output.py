"""What `artifacts/evaluation/<head>` holds: the assessment, and the tables that figures and comparisons read."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.assessment import confusion_table, headline, predictions_table
from evaluation.attention import write_attention

NO_CURVE = pd.DataFrame(columns=["epoch", "panel", "series", "value", "runs"])
NO_EMBEDDING = pd.DataFrame(columns=["x", "y", "emotion", "speaker", "role", "id"])


def write_evaluation(
    folder: Path,
    details: dict,
    test: pd.DataFrame,
    curve: pd.DataFrame = NO_CURVE,
    embedding: pd.DataFrame = NO_EMBEDDING,
    attention: Sequence[np.ndarray] = (),
) -> None:
    """Write all files of an evaluation.

    Args:
        folder: made if it is not there.
        details: what is said of the predictions, and how they came about.
        test: test predictions of all seeds.
        curve: from `learning_curve`.
        embedding: from `two_dimensions`.
        attention: of the first seed's test predictions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(headline(details), folder / "metrics.json")
    _write_json(details, folder / "details.json")
    _write_table(predictions_table(test, details["classes"]), folder / "predictions.csv")
    _write_table(confusion_table(test), folder / "confusion.csv")
    _write_table(curve, folder / "learning_curve.csv")
    _write_table(embedding, folder / "embedding.csv")
    write_attention(attention, folder / "attention.safetensors")


def _write_json(content: dict, path: Path) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


def _write_table(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.5g", lineterminator="\n")
