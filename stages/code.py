"""models/, training/, features/, ... -> artifacts/code/: the code that each stage, head and feature set depends on, and
the tables that each corpus's manifest does.
"""

import shutil
from pathlib import Path

from data.manifest import corpus_root, tables_folder
from data.manifest_folder import indexed_tables
from data.table_files import table_digests
from features.kinds import FeatureSettings, version_line
from models import HEADS
from stages.closure import ROOT, describe_code
from stages.layout import ARTIFACTS, manifest_index
from stages.params import Key, read_section
from stages.running import run_stage

_STAGES = ("join_manifests", "join_features", "split", "evaluate", "compare")


def main() -> None:
    folder = ARTIFACTS / "code"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for stage in _STAGES:
        (folder / stage).write_text(describe_code(f"stages.{stage}"))
    for model in HEADS:
        (folder / f"train-{model}").write_text(training_code(model))
    for name, settings in read_section("features", dict[Key, FeatureSettings]).items():
        (folder / f"extract-{name}").write_text(version_line(settings))
    for name in read_section("corpora", dict[Key, dict]):
        (folder / f"manifest-{name}").write_text(tables_of(name))


def training_code(model: str, root: Path = ROOT) -> str:
    """The code that trains a head: what the registry names, its file, the training loop, the reading of features."""
    parts = "".join(f"{part.__module__}.{part.__qualname__}\n" for part in HEADS[model])
    return parts + describe_code("stages.train", *(part.__module__ for part in HEADS[model]), root=root)


def tables_of(corpus: str) -> str:
    """The files of ``data/tables/<corpus>``, a line each; those that the index names where neither they nor the corpus
    are here, so that nothing asks a colleague for them.
    """
    absent = not tables_folder(corpus).exists() and not corpus_root(corpus).exists()
    tables = indexed_tables(manifest_index(corpus)) if absent else table_digests(tables_folder(corpus))
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(tables.items())) or "no tables\n"


if __name__ == "__main__":
    run_stage(main)
