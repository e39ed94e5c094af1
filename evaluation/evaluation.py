"""What `artifacts/evaluation/<head>` holds: details.json, and the tables that figures and comparisons read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.rating_metrics import predicted_columns
from evaluation.attention import read_attention, write_attention
from evaluation.results import Details, RegressionDetails, TargetScores, read_details

_BINS = 5  # of ratings, in a confusion matrix
_TEXT = dict.fromkeys(("id", "corpus", "speaker", "label", "predicted", "emotion", "role"), str)


def _no_curve() -> pd.DataFrame:
    return pd.DataFrame(columns=["epoch", "panel", "series", "value", "runs"])


def _no_embedding() -> pd.DataFrame:
    return pd.DataFrame(columns=["x", "y", "emotion", "speaker", "corpus", "role", "id"])


@dataclass(frozen=True)
class Evaluation:
    """Everything that is said of one head, or of predictions made elsewhere.

    Attributes:
        details: the figures.
        predictions: test predictions of all seeds: ``id, corpus, speaker, fold, seed``, and ``label, predicted,
            confidence`` or, for each target, ``<target>, predicted_<target>``.
        learning_curve: from `progress.learning_curve`; without rows, of predictions made elsewhere.
        embedding: from `two_dimensions`; likewise.
        attention: how much each frame is attended to [T], in the order of the first seed's predictions; none of heads
            that do not attend.
    """

    details: Details | RegressionDetails
    predictions: pd.DataFrame
    learning_curve: pd.DataFrame = field(default_factory=_no_curve)
    embedding: pd.DataFrame = field(default_factory=_no_embedding)
    attention: Sequence[np.ndarray] = ()

    def write(self, folder: Path) -> None:
        """Write all files; the folder is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").write_text(json.dumps(self.details.headline(), indent=1) + "\n")
        self.details.write(folder / "details.json")
        targets = self.details.per_target if isinstance(self.details, RegressionDetails) else []
        for name in ("predictions", "learning_curve", "embedding"):
            _write_table(getattr(self, name), folder / f"{name}.csv")
        _write_table(confusion_table(self.predictions, targets), folder / "confusion.csv")
        write_attention(self.attention, folder / "attention.safetensors")


def read_evaluation(folder: Path) -> Evaluation:
    """Read what `Evaluation.write` wrote."""
    tables = {
        name: pd.read_csv(folder / f"{name}.csv", dtype=_TEXT, keep_default_na=False)
        for name in ("predictions", "learning_curve", "embedding")
    }
    attention = read_attention(folder / "attention.safetensors")
    return Evaluation(read_details(folder / "details.json"), **tables, attention=attention)


def predictions_table(test: pd.DataFrame, splits: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The columns of test predictions that a comparison with other heads, and a choice of examples, needs.

    Args:
        test: ``id, speaker, fold, seed, label, predicted``, and ``p_<class>`` if there are probabilities.
        splits: the corpus of every utterance.
        classes: names.
    """
    confidence = test.reindex(columns=[f"p_{name}" for name in classes]).max(axis=1)
    corpus = test["id"].map(splits.set_index("id")["corpus"])
    columns = ["id", "corpus", "speaker", "fold", "seed", "label", "predicted", "confidence"]
    return test.assign(corpus=corpus, confidence=confidence)[columns].reset_index(drop=True)


def ratings_table(test: pd.DataFrame, splits: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    """The same of predicted ratings.

    Args:
        test: ``id, speaker, fold, seed``, and for each target ``<target>`` and ``predicted_<target>``.
        splits: the corpus of every utterance.
        targets: names.
    """
    corpus = test["id"].map(splits.set_index("id")["corpus"])
    columns = ["id", "corpus", "speaker", "fold", "seed", *targets, *predicted_columns(targets)]
    return test.assign(corpus=corpus)[columns].reset_index(drop=True)


def confusion_table(predictions: pd.DataFrame, targets: Sequence[TargetScores] = ()) -> pd.DataFrame:
    """For `dvc plots`: ``actual, predicted, corpus, fold, seed``, one row per test utterance and seed.

    Of ratings a row per target, with the centres of `binned` ratings: ``valence 2.5``.
    """
    columns = ["actual", "predicted", "corpus", "fold", "seed"]
    if not targets:
        return predictions.rename(columns={"label": "actual"})[columns]
    tables = []
    for target in targets:
        pair = predictions[[target.name, f"predicted_{target.name}"]].set_axis(["actual", "predicted"], axis="columns")
        own = pair.apply(lambda ratings, of=target: binned(ratings, of))
        tables.append(predictions[["corpus", "fold", "seed"]].join(own))
    return pd.concat(tables)[columns]


def binned(ratings: pd.Series, target: TargetScores) -> pd.Series:
    """The centre of the bin that each rating falls into, of five of equal width between the least and the largest."""
    edges = np.linspace(target.least, target.most, _BINS + 1)
    centres = [f"{target.name} {centre:.3g}" for centre in (edges[1:] + edges[:-1]) / 2]
    return pd.Series(np.array(centres)[np.digitize(ratings, edges[1:-1])], ratings.index)


def _write_table(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.5g", lineterminator="\n")
