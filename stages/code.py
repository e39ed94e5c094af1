"""models/, training/, features/, ... -> artifacts/code/: the code that each stage, head and feature set depends on, the
files beside a corpus that its manifest and its imported features do, and the recordings that disturbed copies do.
"""

import shutil
from pathlib import Path

from data.clips import ClipsSettings
from data.disturbances.recordings import folder_digest, is_here
from data.manifest import corpus_root, tables_folder
from data.manifest_folder import indexed_tables
from data.table_files import table_digests
from features.index import indexed_recordings, source_digest
from features.kinds import FeatureSettings, version_line
from features.settings import KindSettings
from models import HEADS
from stages.closure import ROOT, describe_code
from stages.layout import ARTIFACTS, features_index, manifest_index
from stages.params import Key, read_section
from stages.running import run_stage

_TRAINING = ("stages.fold_jobs", "stages.inputs", "training.run")  # not where it runs: stages.train, training.parallel
_STAGES = ("join_manifests", "join_features", "split", "evaluate", "compare")


def main() -> None:
    folder = ARTIFACTS / "code"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for stage in _STAGES:
        (folder / stage).write_text(describe_code(f"stages.{stage}"))
    for model in HEADS:
        (folder / f"train-{model}").write_text(training_code(model))
    feature_sets = read_section("features", dict[Key, FeatureSettings])
    for corpus in read_section("corpora", dict[Key, dict]):
        (folder / f"manifest-{corpus}").write_text(tables_of(corpus))
        for name, settings in feature_sets.items():
            (folder / f"extract-{corpus}-{name}").write_text(extraction_code(settings, name, corpus))
    for name, settings in feature_sets.items():
        (folder / f"preprocess-{name}").write_text(recordings_of(settings.clips, name))


def training_code(model: str, root: Path = ROOT) -> str:
    """The code that trains a head: what the registry names, its file, the training loop, the reading of features."""
    parts = "".join(f"{part.__module__}.{part.__qualname__}\n" for part in HEADS[model])
    return parts + describe_code(*_TRAINING, *(part.__module__ for part in HEADS[model]), root=root)


def extraction_code(settings: KindSettings, feature_set: str, corpus: str) -> str:
    """What a corpus's features depend on as code: the version of their kind, and the files that they are read from."""
    source = settings.source_folder(feature_set, corpus)
    files = f"{source_digest(source, features_index(corpus, feature_set))}  {source}\n" if source else ""
    return version_line(settings) + files


def tables_of(corpus: str) -> str:
    """The files of ``data/tables/<corpus>``, a line each; those that the index names where neither they nor the corpus
    are here, so that nothing asks a colleague for them.
    """
    absent = not tables_folder(corpus).exists() and not corpus_root(corpus).exists()
    tables = indexed_tables(manifest_index(corpus)) if absent else table_digests(tables_folder(corpus))
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(tables.items())) or "no tables\n"


def recordings_of(clips: ClipsSettings, feature_set: str) -> str:
    """The folders of recordings that disturbed copies are made with, a line each; as the index names them where they
    are not here, so that nothing asks a colleague for them.
    """
    folders = dict.fromkeys(entry.folder for entry in clips.disturb if entry.folder)
    known = indexed_recordings(features_index("", feature_set).parent.glob("*.json")) if folders else {}
    digests = [folder_digest(name) if is_here(name) else known.get(name, "not here") for name in folders]
    lines = [f"{digest}  {name}\n" for digest, name in zip(digests, folders, strict=True)]
    return "".join(lines) or "no recordings\n"


if __name__ == "__main__":
    run_stage(main)
