"""A manifest as a stage's output: manifest.csv, corpora.json, and the index by which it is known where it is not."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from data.digest import file_digest
from data.errors import UserError
from data.joined import join_manifests
from data.json_files import write_json
from data.manifest import read_manifest, write_manifest
from data.task_description import CorpusDescription, read_corpora, write_corpora

MANIFEST = "manifest.csv"
CORPORA = "corpora.json"


def write_manifest_folder(
    folder: Path, manifest: pd.DataFrame, corpora: dict[str, CorpusDescription], index: Path | None = None
) -> None:
    """Write a manifest and what its corpora are; of a single corpus also the index, a JSON file."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_manifest(manifest, folder / MANIFEST)
    write_corpora(corpora, folder / CORPORA)
    if index is not None:
        write_json(index, _digests(folder))


def read_manifest_folder(folder: Path) -> tuple[pd.DataFrame, dict[str, CorpusDescription]]:
    """A manifest, with a column ``corpus`` first, and what its corpora are."""
    manifest, corpora = read_manifest(folder / MANIFEST), read_corpora(folder / CORPORA)
    if "corpus" not in manifest:
        manifest.insert(0, "corpus", folder.name)
    return manifest, corpora


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
        if _digests(part) != json.loads(index.read_text()):
            raise UserError(f"{part} is not the manifest that {index} names. Run: dvc checkout manifest@{corpus}")
    joined = join_manifests({corpus: read_manifest(part / MANIFEST) for corpus, (part, _) in parts.items()})
    corpora = {corpus: read_corpora(part / CORPORA)[corpus] for corpus, (part, _) in parts.items()}
    write_manifest_folder(folder, joined, corpora)
    return joined


def _digests(folder: Path) -> dict[str, str]:
    return {name: file_digest(folder / name, "sha256") for name in (MANIFEST, CORPORA)}
