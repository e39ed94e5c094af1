"""Small descriptions of features, which a team commits to git, and the joining of corpora by these descriptions.

``index/features/<set>/<corpus>.json`` says which shards there are and what made them. By it features of several
corpora are joined although some of them may not be here: ``<output>/joined.json`` lists, for every corpus, the shards
and their SHA-256, and `features.store.FeatureSet` follows it. Nothing is copied.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from data.errors import UserError
from data.json_files import read_json, write_json
from data.not_wanted import why_not_wanted
from data.shards import content_digest
from data.table_files import table_digests
from features.store import JOINED, FeatureSet, SetName


def describe_store(folder: Path, source: Path | None = None, recordings: Mapping[str, str] | None = None) -> dict:
    """What there is to know of ``features/<set>/<corpus>`` without it: the content of its index file.

    Args:
        folder: of the features.
        source: of the files that they were read from, if they were.
        recordings: folders that disturbed copies were made with -> their digests.

    Returns:
        ``wanted``; where it is true, also the ``recipe``, the number of ``utterances``, the ids of ``skipped`` ones,
        ``shards``: file name -> SHA-256, ``pieces``: file name -> fingerprint, and where they were read from files the
        ``source``'s digest, or made with ``recordings``, theirs. The same features have the same description.

    Raises:
        UserError: there are no features, or damaged ones.
    """
    if why_not_wanted(folder):
        return {"wanted": False}
    features = FeatureSet(folder, verify=False)
    return {
        "wanted": True,
        "recipe": features.recipe,
        "utterances": len(features.ids),
        "skipped": sorted(features.skipped),
        "shards": {shard.path.name: content_digest(shard.path) for shard in features.shards},
        "pieces": {shard.path.name: shard.attributes["fingerprint"] for shard in features.shards},
        **({"source": digest_of_files(source)} if source else {}),
        **({"recordings": dict(recordings)} if recordings else {}),
    }


def indexed_recordings(indexes: Iterable[Path]) -> dict[str, str]:
    """The folders of recordings that some index files name, and their digests."""
    return {
        folder: digest for index in sorted(indexes) for folder, digest in read_json(index).get("recordings", {}).items()
    }


def source_digest(source: Path, index: Path) -> str:
    """What names the files that features are read from: their digest or, where they are not here, the index's, so that
    nothing asks a colleague for them."""
    if source.exists() or not index.is_file():
        return digest_of_files(source)
    return read_json(index).get("source") or digest_of_files(source)


def digest_of_files(folder: Path) -> str:
    """SHA-256 of all files of a folder, by path and content."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(table_digests(folder).items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def is_wanted(index: Path) -> bool:
    """Whether the corpus of an index file gets the set; true also where there is no such file."""
    return not index.is_file() or read_json(index).get("wanted", True)


def join_features(indexes: dict[str, Path], folder: Path, output: Path) -> None:
    """Join the features of several corpora, by their index files alone.

    Args:
        indexes: corpus -> its index file, ``index/features/<set>/<corpus>.json``.
        folder: of the set, ``artifacts/features/<set>``, which holds a folder per corpus.
        output: the folder to write ``joined.json`` to, ``artifacts/features/<set>/<joined>``.

    Raises:
        UserError: an index file is missing or damaged, a corpus does not get this set, or recipes differ.
    """
    parts = {corpus: _read_index(path, SetName(folder.name, corpus), output) for corpus, path in indexes.items()}
    if differences := describe_differences({corpus: part["recipe"] for corpus, part in parts.items()}):
        stages = " ".join(SetName(folder.name, corpus).stage for corpus in parts)
        raise UserError(
            f"{output}: the features of {' and '.join(parts)} cannot be joined, because they differ in "
            f"{differences}. Make them again: dvc repro {stages}"
        )
    listing = {
        corpus: {
            "folder": Path(os.path.relpath(folder / corpus, output)).as_posix(),
            "shards": part["shards"],
            "skipped": part["skipped"],
        }
        for corpus, part in parts.items()
    }
    write_json(output / JOINED, listing)


def describe_differences(recipes: dict[str, dict]) -> str:
    """Where recipes differ, and how, e.g. ``dimension: 384 (emodb), 768 (turevdb)``; empty if they are equal.

    Args:
        recipes: by corpus.
    """
    table = pd.DataFrame({corpus: _flat(recipe) for corpus, recipe in recipes.items()}).fillna("none")
    differences = []
    for name, values in table.iterrows():
        if values.nunique() > 1:
            named = [f"{value} ({', '.join(values.index[values == value])})" for value in values.unique()]
            differences.append(f"{name}: {', '.join(named)}")
    return "; ".join(differences)


def _flat(recipe: dict, prefix: str = "") -> dict[str, str]:
    """A recipe as texts; of a digest, the first characters. ``{"clips": {"crop": x}}`` -> ``{"clips.crop": x}``."""
    flat = {}
    for key, value in recipe.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = str(value)[:12] if key == "weights" else str(value)
    return flat


def _read_index(path: Path, name: SetName, output: Path) -> dict:
    try:
        index = json.loads(path.read_text())
        wanted = index["wanted"]
        kinds = {"recipe": dict, "shards": dict, "skipped": list}
        complete = not wanted or all(isinstance(index[name], kind) for name, kind in kinds.items())
    except FileNotFoundError:
        raise UserError(f"{output}: the features of {name.corpus} are missing ({path}). {name.how_to_get}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        complete = False
    if not complete:
        raise UserError(f"{path}: damaged. Restore it with git, or make it again: dvc repro --force {name.stage}")
    if not wanted:
        raise UserError(f"{output}: {name.not_wanted}")
    return index
