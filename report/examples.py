"""Where a head attends in a few test utterances, correct and wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import UserError, nearest
from evaluation.evaluation import Evaluation

_CORRECT, _WRONG = 2, 2
_ENVELOPE_POINTS = 400
_COLUMNS = ["id", "corpus", "example", "label", "predicted", "confidence", "speaker", "second", "attention"]


@dataclass(frozen=True)
class Examples:
    """Test utterances of a head that are drawn.

    Attributes:
        attention: from `attention_over_time`; without rows for a head that does not attend.
        waveforms: id -> `envelope`; none unless they are asked for.
    """

    attention: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_COLUMNS))
    waveforms: Mapping[str, dict[str, list[float]]] = field(default_factory=dict)


def attention_of_examples(evaluation: Evaluation, wanted: Sequence[str]) -> pd.DataFrame:
    """Some test utterances of the first seed, and the attention on them; empty for heads that do not attend.

    Args:
        evaluation: of a head.
        wanted: ids of utterances, of this task or of others; with none, some are chosen.

    Returns:
        As `attention_over_time`; empty also where an utterance is one frame.
    """
    predictions = evaluation.predictions
    first = predictions[predictions["seed"] == predictions["seed"].min()].reset_index(drop=True)
    if not evaluation.attention or not evaluation.details.training.features.frame_rate:
        return attention_over_time(first.head(0), [], frame_rate=1)
    chosen = choose_examples(first, wanted)
    attention = [evaluation.attention[row] for row in chosen.index]
    return attention_over_time(chosen, attention, evaluation.details.training.features.frame_rate)


def check_examples(evaluations: Sequence[Evaluation], wanted: Sequence[str]) -> None:
    """Refuse ids that no task tests.

    Raises:
        UserError: naming one, and the nearest that is tested.
    """
    tested = set().union(*(evaluation.predictions["id"] for evaluation in evaluations))
    for identifier in wanted:
        if identifier not in tested:
            raise UserError(f"report.examples: no test utterance {identifier!r}{nearest(identifier, sorted(tested))}")


def choose_examples(test: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    """The rows of test predictions to draw.

    Args:
        test: one run's test predictions, with ``id, label, predicted, confidence``.
        wanted: ids.

    Returns:
        The rows that are wanted; with none wanted, the two most confident correct ones and the two most confident wrong
        ones, each of a different class where there are several.
    """
    if wanted:
        return test[test["id"].isin(wanted)]
    test = test.sort_values("confidence", ascending=False, kind="stable")
    correct = test["label"] == test["predicted"]
    return pd.concat([_first_of_classes(test[correct], _CORRECT), _first_of_classes(test[~correct], _WRONG)])


def attention_over_time(examples: pd.DataFrame, attention: Sequence[np.ndarray], frame_rate: float) -> pd.DataFrame:
    """Long form for the report and `dvc plots`.

    Args:
        examples: from `choose_examples`.
        attention: per example, how much each frame is attended to [T]; sums to one.
        frame_rate: frames per second.

    Returns:
        A row per frame with ``second`` and ``attention``, relative to an even spread, which is 1; the example's number
        and its columns of the predictions.
    """
    tables = [
        pd.DataFrame(
            {
                **{name: row[name] for name in _COLUMNS if name in row.index},
                "example": number,
                "second": (np.arange(len(weights)) + 0.5) / frame_rate,
                "attention": weights * len(weights),
            }
        )
        for number, ((_, row), weights) in enumerate(zip(examples.iterrows(), attention, strict=True))
    ]
    return pd.concat(tables)[_COLUMNS] if tables else pd.DataFrame(columns=_COLUMNS)


def read_waveforms(attention: pd.DataFrame, folders: Mapping[str, Path]) -> dict[str, dict[str, list[float]]]:
    """The waveforms of some examples as they are drawn.

    Args:
        attention: from `attention_of_examples`.
        folders: corpus -> the folder of its clips.

    Returns:
        Id -> `envelope`.

    Raises:
        UserError: the clips are not here.
    """
    from data.clips import open_clips, read_samples  # it imports torch, which takes a while

    found = {}
    examples = attention[["id", "corpus"]].drop_duplicates()
    for corpus, rows in examples.groupby("corpus"):
        plain = {identifier.removeprefix(f"{corpus}:"): identifier for identifier in rows["id"]}
        for path in sorted(folders[corpus].glob("*.h5")):
            shard = open_clips(path)
            for name in set(plain) & set(shard.ids):
                index = shard.ids.index(name)
                found[plain[name]] = envelope(read_samples(shard, index), shard.attributes["sample_rate"])
        if missing := sorted(set(plain.values()) - set(found)):
            raise UserError(
                f"report.waveforms: true needs the clips of {', '.join(missing)} in {folders[corpus]}. Get them with "
                "`dvc pull preprocess`, or set it to false."
            )
    return found


def envelope(waveform: np.ndarray, sample_rate: int) -> dict[str, list[float]]:
    """A waveform [num_samples], from -1 to 1, as drawn: per column ``second``, ``low`` and ``high`` (-1 to 1)."""
    parts = [part for part in np.array_split(waveform, _ENVELOPE_POINTS) if len(part)]
    seconds = np.cumsum([0, *(len(part) for part in parts[:-1])]) / sample_rate
    return {
        "second": np.round(seconds, 4).tolist(),
        "low": [round(float(part.min()), 4) for part in parts],
        "high": [round(float(part.max()), 4) for part in parts],
    }


def _first_of_classes(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first rows, those first that are the first of their class."""
    repeated = rows["label"].duplicated()
    return pd.concat([rows[~repeated], rows[repeated]]).head(count)
