"""``clips.csv``: which file, key or row of an export is which clip."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from data.errors import UserError

CLIP_TABLE = "clips.csv"


class ClipRow(NamedTuple):
    """A line of the table: one clip.

    Attributes:
        name: in the export; of a file without its ending.
        id: of the utterance.
        copy: ``clean``, or what was done to the recording.
        piece: its number within the utterance, from 0; None where utterances are not in pieces.
        num_frames: T.
        seconds: of the uncut utterance.
    """

    name: str
    id: str
    copy: str
    piece: int | None
    num_frames: int
    seconds: float


def write_clip_table(folder: Path, rows: Iterable[ClipRow]) -> None:
    """Write the table; the same rows are the same bytes."""
    with (folder / CLIP_TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ClipRow._fields)
        writer.writerows(row._replace(seconds=round(row.seconds, 6)) for row in rows)


def read_names(folder: Path) -> dict[str, str]:
    """Utterance id -> name of its file, of an export in which each utterance is one clip; empty without a table.

    Raises:
        UserError: the table has no such columns, an utterance twice, or a name that is no plain file name.
    """
    path = folder / CLIP_TABLE
    if not path.is_file():
        return {}
    names: dict[str, str] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file, strict=True)
            if not {"id", "name"} <= set(table.fieldnames or ()):
                raise UserError(f"{path}: not a table with the columns id and name.")
            for row in table:
                identifier, name = row["id"], row["name"]
                if identifier in names:
                    raise UserError(f"{path}: {identifier!r} has several clips; pieces and copies cannot be imported.")
                if not name or "/" in name or "\0" in name or name in (".", ".."):
                    raise UserError(f"{path}: {name!r} is no plain file name.")
                names[identifier] = name
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a table: {error}") from None
    return names
