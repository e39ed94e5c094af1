"""Utterances within longer files: whether their times can be."""

from pathlib import Path

import pandas as pd
import soundfile

from data.errors import UserError, listed

TOLERANCE = 0.05  # seconds by which annotated ends may lie beyond the file: they are rounded, or from a video


def check_times(root: Path, manifest: pd.DataFrame) -> None:
    """Refuse utterances whose ``start`` and ``end`` are not within their file; only the files' headers are read.

    Raises:
        UserError: a start below 0, one that is not before its end, or an end beyond the file, naming the utterances.
    """
    timed = manifest[manifest["start"].notna() | manifest["end"].notna()]
    if timed.empty:
        return
    start = timed["start"].fillna(0.0)
    impossible = timed[(start < 0) | (start >= timed["end"])]
    if len(impossible):
        found = [f"{row.id}: {_span(row.start, row.end)}" for row in impossible.itertuples()]
        raise UserError(f"{root}: {len(found)} utterances do not start before they end:\n{listed(found)}")
    lasts = {path: _seconds(root / path) for path in timed["path"].unique()}
    seconds = timed["path"].map(lasts).astype(float)
    beyond = timed[(start >= seconds) | (timed["end"] > seconds + TOLERANCE)]
    if len(beyond):
        found = [
            f"{row.id}: {_span(row.start, row.end)}, and {row.path} lasts {lasts[row.path]:.3f} s"
            for row in beyond.itertuples()
        ]
        raise UserError(
            f"{root}: {len(found)} utterances are beyond the end of their file. start and end are seconds:\n"
            f"{listed(found)}"
        )


def _span(start: float, end: float) -> str:
    return f"{0.0 if pd.isna(start) else start:g} s to {'the end' if pd.isna(end) else f'{end:g} s'}"


def _seconds(path: Path) -> float | None:
    """How long a file is, as its header says; None where it has none that can be read, which preprocess reports."""
    try:
        return soundfile.info(path).duration
    except (soundfile.SoundFileError, RuntimeError):
        return None
