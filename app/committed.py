"""What the last commit says of the shared features: its dvc.lock and index/, without anything of the features here."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.dvc_lock import DVC_LOCK, LockedStage, parse_lock
from data.errors import UserError
from stages.elsewhere import committed
from stages.layout import features_folder, features_index

_EXTRACT = "extract@"


@dataclass(frozen=True)
class CommittedFeatures:
    """A feature set of a corpus, as the last commit has it.

    Attributes:
        feature_set, corpus: its names.
        stage: the stage that makes and pulls it.
        listing: the MD5 that names the list of its files, ``<digest>.dir``.
        size: of all its files, in bytes.
        recipe: what determines its content.
        utterances: how many there are.
        shards: the shards' files.
        pieces: file -> fingerprint, with the compute type; empty in indexes of older versions.
        made_with: the checkpoint, or the kind where there is none.
        author, date: of the commit that last changed it.
    """

    feature_set: str
    corpus: str
    stage: str
    listing: str
    size: int
    recipe: dict
    utterances: int
    shards: list[str]
    pieces: dict[str, str]
    made_with: str
    author: str
    date: str

    @property
    def name(self) -> str:
        return f"{self.feature_set}/{self.corpus}"


def committed_features() -> list[CommittedFeatures]:
    """All features that the last commit names, by set and corpus.

    Raises:
        UserError: the last commit has no dvc.lock, or it names no features.
    """
    lock = committed(DVC_LOCK)
    if lock is None:
        raise UserError(
            "the last commit has no dvc.lock, which names the shared features. Whoever has run the pipeline: "
            "git add dvc.lock index && git commit, then `dvc push`"
        )
    features = sorted(_features(parse_lock(lock.decode())), key=lambda one: one.name)
    if not features:
        raise UserError("the dvc.lock of the last commit names no features yet. Run `dvc repro`, and commit dvc.lock.")
    return features


def _features(lock: dict[str, LockedStage]) -> Iterator[CommittedFeatures]:
    for stage, locked in lock.items():
        if not stage.startswith(_EXTRACT):
            continue
        corpus, _, feature_set = stage.removeprefix(_EXTRACT).partition("-")
        output = locked.outputs.get(features_folder(corpus, feature_set).as_posix())
        path = features_index(corpus, feature_set)
        index = _read(path)
        if output is None or not index.get("wanted", True):
            continue
        author, date = _last_change(path)
        yield CommittedFeatures(
            feature_set=feature_set,
            corpus=corpus,
            stage=stage,
            listing=output.md5,
            size=output.size,
            recipe=index.get("recipe", {}),
            utterances=index.get("utterances", 0),
            shards=sorted(index.get("shards", {})),
            pieces=index.get("pieces", {}),
            made_with=_made_with(locked.params.get(f"features.{feature_set}", {})),
            author=author,
            date=date,
        )


def _read(path: Path) -> dict:
    """An index file of the last commit; empty where it has none."""
    try:
        index = json.loads(committed(path) or "{}")
    except (ValueError, RecursionError):
        index = None
    if not isinstance(index, dict):
        raise UserError(f"{path}: damaged in the last commit. Make it again: dvc repro --force extract")
    return index


def _made_with(settings: dict) -> str:
    made_with = settings.get("checkpoint") or settings.get("source") or settings.get("kind", "")
    return f"{made_with} at {settings['revision']}" if settings.get("revision") else made_with


def _last_change(path: Path) -> tuple[str, str]:
    """Author and date of the commit that last changed a file; empty if there is none."""
    command = ["git", "log", "-1", "--format=%an%n%as", "--", path.as_posix()]
    author, _, date = subprocess.run(command, capture_output=True, text=True).stdout.strip().partition("\n")
    return author, date
