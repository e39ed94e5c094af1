"""A manifest as a stage's output: manifest.csv, corpora.json, folds.csv where the corpus brings folds, parts.csv where
utterances are made of several recordings, and the index by which all this is known where it is not.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from data.csv_files import read_texts, with_numbers
from data.digest import file_digest
from data.errors import UserError
from data.joined import join_folds, join_manifests
from data.json_files import read_json, write_json
from data.manifest import read_manifest, write_manifest
from data.official_folds import read_folds
from data.task_description import CorpusDescription, read_corpora, write_corpora

MANIFEST = "manifest.csv"
FOLDS = "folds.csv"
CORPORA = "corpora.json"
PARTS = "parts.csv"

_TABLES = "tables"  # in the index, beside the manifest's own files


def write_manifest_folder(
    folder: Path,
    manifest: pd.DataFrame,
    corpora: dict[str, CorpusDescription],
    folds: pd.DataFrame | None = None,
    index: Path | None = None,
    tables: Mapping[str, str] | None = None,
    parts: pd.DataFrame | None = None,
) -> None:
    """Write a manifest, what its corpora are, and the folds that they bring; of a single corpus also the index.

    Args:
        folder: replaced.
        manifest: the rows.
        corpora: by name.
        folds: ``id, fold`` or ``id, fold_0, fold_1, ...``; None if there are none.
        index: a JSON file.
        tables: the files of ``data/tables/<corpus>`` that the manifest was made of, and their SHA-256, for the index.
        parts: of long utterances, from `data.concatenation.concatenate`; None if there are none.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_manifest(manifest, folder / MANIFEST)
    write_corpora(corpora, folder / CORPORA)
    if folds is not None:
        folds.to_csv(folder / FOLDS, index=False, lineterminator="\n")
    if parts is not None:
        parts.to_csv(folder / PARTS, index=False, lineterminator="\n")
    if index is not None:
        write_json(index, {**_digests(folder), **({_TABLES: dict(tables)} if tables else {})})


def indexed_tables(index: Path) -> dict[str, str]:
    """The tables that a manifest was made of, as its index says: file -> SHA-256; none where there is no index."""
    return read_json(index).get(_TABLES, {}) if index.is_file() else {}


def read_manifest_folder(folder: Path) -> tuple[pd.DataFrame, dict[str, CorpusDescription]]:
    """A manifest, with a column ``corpus`` first, and what its corpora are."""
    manifest, corpora = read_manifest(folder / MANIFEST), read_corpora(folder / CORPORA)
    if "corpus" not in manifest:
        manifest.insert(0, "corpus", folder.name)
    return manifest, corpora


def read_recordings(folder: Path, manifest: pd.DataFrame) -> pd.DataFrame:
    """What each utterance of a corpus is cut from, or made of: ``id, path, start, end, shard``, in order.

    Args:
        folder: of its manifest.
        manifest: the rows.
    """
    path = folder / PARTS
    if not path.is_file():
        return manifest[["id", "path", "start", "end", "shard"]]
    parts = with_numbers(read_texts(path, needed=["id", "path", "start", "end"]), ("start", "end"), path)
    return parts.assign(shard=parts["id"].map(manifest.set_index("id")["shard"]))


def join_manifest_folders(folder: Path, parts: Mapping[str, tuple[Path, Path]]) -> pd.DataFrame:
    """Join the manifests of several corpora, and write and return the whole.

    Args:
        folder: of the result.
        parts: corpus -> its manifest's folder and index.

    Raises:
        UserError: a manifest is not here, or is not the one that its index names.
    """
    for corpus, (part, index) in parts.items():
        if not index.is_file():
            raise UserError(f"there is no {index}. Run: dvc repro manifest@{corpus}")
        if not (part / MANIFEST).is_file():
            raise UserError(f"the manifest of {corpus} is not here. Run: dvc pull manifest@{corpus}")
        if _digests(part) != {name: known for name, known in read_json(index).items() if name != _TABLES}:
            raise UserError(f"{part} is not the manifest that {index} names. Run: dvc checkout manifest@{corpus}")
    joined = join_manifests({corpus: read_manifest(part / MANIFEST) for corpus, (part, _) in parts.items()})
    corpora = {corpus: read_corpora(part / CORPORA)[corpus] for corpus, (part, _) in parts.items()}
    folds = join_folds({corpus: read_folds(part / FOLDS) for corpus, (part, _) in parts.items()})
    write_manifest_folder(folder, joined, corpora, folds)
    return joined


def _digests(folder: Path) -> dict[str, str]:
    present = [name for name in (MANIFEST, CORPORA, FOLDS, PARTS) if (folder / name).is_file()]
    return {name: file_digest(folder / name, "sha256") for name in present}
