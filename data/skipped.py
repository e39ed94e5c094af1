"""Audio files that cannot be used: a list beside each shard of clips, skipped.csv for all of them, or an error."""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.errors import UserError, listed

SKIPPED = "skipped.csv"


@dataclass(frozen=True)
class Skipped:
    """An audio file that cannot be used, and why."""

    id: str
    path: str
    reason: str


def write_skipped(skipped: Sequence[Skipped], shard: Path) -> None:
    """Write the list of a shard's unusable files beside it; nothing if there are none."""
    if skipped:
        pd.DataFrame(skipped).to_csv(shard.with_name(f"{shard.stem}.{SKIPPED}"), index=False, lineterminator="\n")


def collect_skipped(folder: Path) -> list[Skipped]:
    """Join the shards' lists into `SKIPPED`, and return them."""
    parts = [pd.read_csv(part, dtype=str) for part in sorted(folder.glob(f"*.{SKIPPED}"))]
    if not parts:
        return []
    skipped = pd.concat(parts)
    skipped.to_csv(folder / SKIPPED, index=False, lineterminator="\n")
    return [Skipped(**row) for row in skipped.to_dict("records")]


def copy_skipped(source: Path, target: Path) -> None:
    """Keep `SKIPPED`, where there is one, in another folder."""
    if (source / SKIPPED).exists():
        shutil.copyfile(source / SKIPPED, target / SKIPPED)


def skipped_ids(folder: Path) -> list[str]:
    """The ids in `SKIPPED`, where there is one."""
    listing = folder / SKIPPED
    if not listing.exists():
        return []
    with listing.open(newline="", encoding="utf-8") as file:
        return [row["id"] for row in csv.DictReader(file)]


def refuse(unusable: Sequence[Skipped], parameter: str) -> None:
    """Stop at unusable files.

    Args:
        unusable: the files.
        parameter: the key in params.yaml that leaves them out instead.

    Raises:
        UserError: there are some, naming them.
    """
    if unusable:
        files = [f"{file.path}: {file.reason}" for file in unusable]
        count = "1 audio file" if len(files) == 1 else f"{len(files)} audio files"
        raise UserError(
            f"{count} cannot be used:\n{listed(files, most=50)}\n"
            f"Fix or remove them, or leave them out with {parameter}: skip"
        )
