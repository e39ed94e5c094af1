"""How long it takes to read a large corpus into its manifest, and to split it: ``python -m benchmarks.manifest``.

The audio files are empty: nothing here opens them. Prints JSON.
"""

import argparse
import csv
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.corpora import msp_podcast, table
from data.corpus_settings import CorpusSettings
from data.labels import TaskSettings, label_utterances
from data.manifest import build_manifest, corpus_root
from data.split_cautions import split_cautions
from data.split_settings import SplitSettings
from data.splits import make_splits

_CODES = "AHSN"
_SPEAKERS = 1500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=150_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder, _working_in(Path(folder)):
        write_large_corpora(rows)
        print(json.dumps({"rows": rows, **measure()}, indent=1))


def write_large_corpora(rows: int) -> None:
    """MSP-Podcast's layout at ``corpora/msp``; the same files with another table and a pattern at ``corpora/table``."""
    root = corpus_root("msp")
    (root / "Audios").mkdir(parents=True)
    (root / "Labels").mkdir()
    with (root / "Labels/labels_consensus.csv").open("w", newline="") as file:
        labels = csv.writer(file)
        labels.writerow(["FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set"])
        for number in range(rows):
            speaker = number % _SPEAKERS
            name = f"MSP-PODCAST_{speaker:04d}_{number // _SPEAKERS:04d}.wav"
            (root / "Audios" / name).touch()
            split = ("Train", "Train", "Development", "Test1")[speaker % 4]
            labels.writerow([name, _CODES[number % 4], 4.1, 3.2, 5.0, speaker, ("Female", "Male")[speaker % 2], split])
    os.symlink(root.resolve(), corpus_root("table"))


def measure() -> dict[str, float]:
    """Seconds of each step, by its name."""
    columns = {"path": "FileName", "emotion": "EmoClass", "speaker": "SpkrID", "gender": "Gender", "valence": "EmoVal"}
    settings: dict[str, CorpusSettings] = {
        "msp_podcast": msp_podcast.Parameters(reader="msp_podcast"),
        "table": table.Parameters(reader="table", table="Labels/labels_consensus.csv", columns=columns),
        "pattern": table.Parameters(
            reader="table", pattern=r"PODCAST_(?P<speaker>\d+)_(?P<text>\d+)(?P<emotion>\d)\.wav"
        ),
    }
    seconds = {}
    for name, corpus in settings.items():
        manifest, seconds[name] = _timed(build_manifest, "table" if corpus.reader == "table" else "msp", corpus)
        if name == "msp_podcast":
            classes = {code: [code] for code in _CODES}
            task = TaskSettings(corpus="msp", classes=classes, split=SplitSettings(scheme="speaker", folds=5))
            rows = manifest.rows.assign(corpus="msp", text=manifest.rows["id"].str[-3:])
            labelled, seconds["label"] = _timed(label_utterances, rows, task, "emotions")
            splits, seconds["split"] = _timed(make_splits, labelled, task.split, rows)
            _, seconds["cautions"] = _timed(split_cautions, splits, list(_CODES))
    return {name: round(value, 3) for name, value in seconds.items()}


def _timed(work: Callable, *arguments):
    started = time.perf_counter()
    result = work(*arguments)
    return result, time.perf_counter() - started


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
