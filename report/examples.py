"""Where a head attends in a few test utterances, right and wrong."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import UserError
from data.manifest import nearest

_RIGHT, _WRONG = 2, 2
_ENVELOPE_POINTS = 400
COLUMNS = ["id", "place", "label", "predicted", "confidence", "speaker", "second", "attention"]


def attention_of_examples(
    predictions: pd.DataFrame, attention: Sequence[np.ndarray], frame_rate: float, asked: Sequence[str]
) -> pd.DataFrame:
    """Some test utterances of the first seed, and the attention on them; empty for heads that do not attend.

    Args:
        predictions: predictions.csv of an evaluation.
        attention: of the first seed's rows of it, in order; empty for heads that do not attend.
        frame_rate: frames per second.
        asked: ids of utterances; none chooses.

    Returns:
        As `attention_over_time`.

    Raises:
        UserError: an id that is not among the test utterances.
    """
    first = predictions[predictions["seed"] == predictions["seed"].min()].reset_index(drop=True)
    chosen = choose_examples(first, asked)
    if not attention:
        return attention_over_time(chosen.head(0), [], frame_rate)
    return attention_over_time(chosen, [attention[place] for place in chosen.index], frame_rate)


def choose_examples(test: pd.DataFrame, asked: Sequence[str]) -> pd.DataFrame:
    """The rows of test predictions to draw.

    Args:
        test: one run's test predictions, with ``id, label, predicted, confidence``.
        asked: ids.

    Returns:
        The rows asked for; else the two most confident right ones and the two most confident wrong ones, each of a
        different class where there are several.

    Raises:
        UserError: an id that is not among them.
    """
    for identifier in asked:
        if identifier not in set(test["id"]):
            raise UserError(f"report.examples: no test utterance {identifier!r}{nearest(identifier, test['id'])}")
    if asked:
        return test[test["id"].isin(asked)]
    test = test.sort_values("confidence", ascending=False, kind="stable")
    right = test["label"] == test["predicted"]
    return pd.concat([_first_of_classes(test[right], _RIGHT), _first_of_classes(test[~right], _WRONG)])


def attention_over_time(examples: pd.DataFrame, attention: Sequence[np.ndarray], frame_rate: float) -> pd.DataFrame:
    """Long form for the report and `dvc plots`.

    Args:
        examples: from `choose_examples`.
        attention: per example, how much each frame is attended to [T]; sums to one.
        frame_rate: frames per second.

    Returns:
        `COLUMNS`, a row per frame; ``attention`` is relative to an even spread, which is 1.
    """
    tables = [
        pd.DataFrame(
            {
                **{name: row[name] for name in ("id", "label", "predicted", "confidence", "speaker")},
                "place": place,
                "second": (np.arange(len(weights)) + 0.5) / frame_rate,
                "attention": weights * len(weights),
            }
        )
        for place, ((_, row), weights) in enumerate(zip(examples.iterrows(), attention, strict=True))
    ]
    return pd.concat(tables)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS)


def read_waveforms(folder: Path, identifiers: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Some clips' waveforms as they are drawn.

    Args:
        folder: ``artifacts/clips/<recipe>``.
        identifiers: utterance ids.

    Returns:
        Id -> `envelope`.

    Raises:
        UserError: the clips are not here.
    """
    from data.clips import open_clips  # it imports torch, which takes a while

    found = {}
    for path in sorted(folder.glob("*.h5")):
        shard = open_clips(path)
        for identifier in set(identifiers) & set(shard.ids):
            place = shard.ids.index(identifier)
            waveform = shard.rows("waveform")[shard.offsets[place] : shard.offsets[place + 1]]
            found[identifier] = envelope(waveform, shard.attributes["sample_rate"])
    if missing := sorted(set(identifiers) - set(found)):
        raise UserError(
            f"report.waveforms: true needs the clips of {', '.join(missing)} in {folder}. Get them with "
            "`dvc pull preprocess`, or set it to false."
        )
    return found


def envelope(waveform: np.ndarray, sample_rate: int) -> dict[str, list[float]]:
    """A waveform int16 [num_samples] as drawn: per column ``second``, ``low`` and ``high`` (-1 to 1)."""
    parts = [part for part in np.array_split(waveform / 32768, _ENVELOPE_POINTS) if len(part)]
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
