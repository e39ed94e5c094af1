"""Long utterances made of short ones: all that a speaker says with one emotion, one recording after another."""

from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, Field

from data.errors import UserError, listed, nearest
from data.settings import Settings, distinct
from data.utterance import COLUMNS, NUMBERS

PART_COLUMNS = ["id", "part", "path", "start", "end"]

_OF_A_RECORDING = ("id", "path", "start", "end", "shard", "speaker")  # nothing that utterances could share


def _of_utterances(columns: list[str]) -> list[str]:
    for column in columns:
        if column not in COLUMNS or column in _OF_A_RECORDING:
            known = [name for name in COLUMNS if name not in _OF_A_RECORDING]
            raise ValueError(f"no manifest column {column!r} to join by{nearest(column, known)} ({', '.join(known)})")
    if "emotion" not in columns:
        raise ValueError("it must have emotion: a long utterance has one code")
    return columns


class ConcatSettings(Settings):
    """``corpora.<name>.concat``: which of a speaker's utterances become one.

    Attributes:
        by: manifest columns; those with the same values in all of them are joined, in the order of their ids.
    """

    by: Annotated[list[str], Field(min_length=1), AfterValidator(distinct), AfterValidator(_of_utterances)] = [
        "emotion"
    ]


def concatenate(manifest: pd.DataFrame, concat: ConcatSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join every speaker's utterances that agree in some columns.

    Args:
        manifest: one row per recording, sorted by id.
        concat: the columns.

    Returns:
        The manifest of the long utterances, sorted by id, and their parts, `PART_COLUMNS`, in order. An id is the
        speaker and the values of the columns, with hyphens. What an utterance's parts do not agree in is empty; the
        path is that of the first part.

    Raises:
        UserError: recordings of unknown speakers, or two long utterances that would have one id.
    """
    if unknown := manifest["id"][manifest["speaker"] == ""].tolist():
        raise UserError(
            f"concat joins what one speaker says, and {len(unknown)} recordings have no speaker. Leave them out with "
            f'exclude: {{speaker: [""]}}:\n{listed(unknown)}'
        )
    keys = ["speaker", *concat.by]
    names = manifest[keys].astype(str).agg("-".join, axis="columns")
    different = manifest[keys].assign(name=names).drop_duplicates()
    if alike := sorted(set(different["name"][different["name"].duplicated()])):
        raise UserError(f"concat would give different utterances one id, because of their hyphens:\n{listed(alike)}")
    parts = manifest.assign(part=manifest["id"], id=names).sort_values(["id", "part"], kind="stable")
    by_name = parts.groupby("id")
    rows = by_name.first(skipna=False)
    for column in rows.columns.difference(["path", "shard", "part"]):
        differ = by_name[column].nunique(dropna=False) > 1
        rows[column] = rows[column].mask(differ, float("nan") if column in NUMBERS else "")
    rows = rows.assign(start=float("nan"), end=float("nan")).reset_index()
    return rows[list(manifest.columns)], parts[PART_COLUMNS].reset_index(drop=True)


def concatenate_folds(folds: pd.DataFrame, rows: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame | None:
    """The folds of long utterances by those of their parts.

    Args:
        folds: ``id`` of the parts, and their folds or roles.
        rows, parts: from `concatenate`.

    Returns:
        The same by long utterance; None if parts of one of them, or utterances of a speaker, are in different folds:
        what is joined is all that a speaker says, and the rest of it would be known from training.
    """
    columns = [column for column in folds if column != "id"]
    table = parts[["id", "part"]].merge(folds.rename(columns={"id": "part"}), on="part", how="left")[["id", *columns]]
    joined = table.drop_duplicates()
    speakers = joined["id"].map(rows.set_index("id")["speaker"])
    of_speakers = joined[columns].mask(joined[columns] == "").groupby(speakers).nunique()
    parted = joined["id"].duplicated().any() or (of_speakers > 1).any(axis=None)
    return None if parted else joined.reset_index(drop=True)
