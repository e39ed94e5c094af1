"""Folds that others have published: a CSV, or EmoBox's metadata."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from data.csv_files import read_texts
from data.errors import UserError, listed
from data.roles import ROLES, fold_columns
from data.table_files import decode_text

_EMOBOX_FILE = re.compile(r"(?P<corpus>.+)_(?P<role>train|valid|test)_fold(?P<spelling>_?)(?P<fold>\d+)\.jsonl")
_EMOBOX_ROLES = {"train": "train", "valid": "validation", "test": "test"}


def read_folds(path: Path) -> pd.DataFrame | None:
    """The folds that a corpus brings, ``id`` first; None where there are none."""
    return read_texts(path, needed=["id"]) if path.is_file() else None


def read_fold_table(path: Path, labelled: pd.DataFrame) -> pd.DataFrame:
    """Read a CSV of folds.

    Args:
        path: ``id,fold``, or ``id,fold_0,fold_1,...`` with roles.
        labelled: the utterances that need a fold.

    Returns:
        One column ``fold``, or ``fold_0, fold_1, ...``; a row per labelled utterance, with its index.

    Raises:
        UserError: no such file, other columns, unknown roles, an utterance with two different rows or without any.
    """
    if not path.is_file():
        raise UserError(f"split.file: there is no {path}.")
    table = read_texts(path)
    columns = fold_columns(table)
    if "id" not in table or not (columns or "fold" in table):
        raise UserError(f"{path}: expected columns id,fold or id,fold_0,fold_1,...; found {', '.join(table)}.")
    table = table[["id", *(columns or ["fold"])]].drop_duplicates()
    contradicted = sorted(set(table["id"][table["id"].duplicated()]))
    if contradicted:
        raise UserError(
            f"{path}: {len(contradicted)} utterance ids have more than one row, with different folds or roles; "
            f"keep one row of each:\n{listed(contradicted)}"
        )
    table = table.set_index("id")
    unknown = sorted(set(labelled["id"]) - set(table.index))
    if unknown:
        raise UserError(f"{path}: {len(unknown)} labelled utterances are not in it:\n{listed(unknown)}")
    if not columns and (blank := sorted(table.index[table["fold"] == ""])):
        raise UserError(f"{path}: {len(blank)} utterances have no fold:\n{listed(blank)}")
    strange = sorted(set(table[columns].to_numpy().ravel()) - {*ROLES, ""})
    if strange:
        raise UserError(f"{path}: roles are train, validation, test or empty; found {', '.join(strange)}.")
    return table.loc[labelled["id"]].set_index(labelled.index)


def read_emobox(folder: Path, labelled: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Read the folds of one corpus from EmoBox's metadata.

    An utterance is known by its file. Folders are named differently in different copies of a corpus, so only as many
    trailing parts of the path are compared as tell all files apart; for most corpora that is the file's name.

    Args:
        folder: ``fold_<k>/<corpus>_{train,valid,test}_fold_<k>.jsonl``, or ``..._fold<k>.jsonl`` where there is no
            other; EmoBox's ``data/<corpus>``.
        labelled: the utterances that need a fold.
        manifest: all utterances of the corpus, with ``path`` and ``emotion``.

    Returns:
        ``fold_0, fold_1, ...``, EmoBox's fold 1 first; a row per labelled utterance, with its index. Empty where an
        utterance is in no list of that fold.

    Raises:
        UserError: no such folds, files that the corpus lacks, an utterance in two lists of a fold, or emotions that
            do not agree one to one with the corpus's own codes.

    Source: Ma et al. 2024, "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark".
    """
    lists = emobox_lists(folder)
    lines = [(*key, *row[1:]) for key, path in lists.items() for row in emobox_rows([path])]
    rows = pd.DataFrame(lines, columns=["fold", "role", "path", "emotion"]).drop_duplicates()
    if rows.empty:
        raise UserError(
            f"split.file: no fold_<k>/<corpus>_train_fold_<k>.jsonl in {folder}. Copy EmoBox's data/<corpus> there."
        )
    paths = pd.Series(rows["path"].unique())
    parts = _telling_parts(manifest["path"], paths)
    ids = pd.Series(manifest["id"].to_numpy(), index=_tails(manifest["path"], parts))
    known = pd.Series(_tails(paths, parts).map(ids).to_numpy(), index=paths)
    if known.isna().any():
        missing = sorted(known.index[known.isna()])
        raise UserError(
            f"{folder}: {len(missing)} of {len(known)} files are not in the corpus, whose paths look like "
            f"{manifest['path'].iloc[0]}. Complete your copy, and leave utterances out with the task's classes or "
            f"where, not with corpus.exclude:\n{listed(missing)}"
        )
    rows = rows.assign(id=rows["path"].map(known)).drop(columns="path").drop_duplicates()
    _check_emotions(folder, rows, manifest)
    twice = rows[rows.duplicated(["fold", "id"])]
    if len(twice):
        found = [f"fold {fold}: {identifier}" for fold, identifier in zip(twice["fold"], twice["id"], strict=True)]
        raise UserError(f"{folder}: {len(twice)} utterances are in two lists of a fold:\n{listed(sorted(found))}")
    folds = rows.pivot(index="id", columns="fold", values="role").sort_index(axis="columns")
    folds.columns = [f"fold_{number}" for number in range(folds.shape[1])]
    return folds.reindex(labelled["id"]).fillna("").set_index(labelled.index)


def emobox_lists(folder: Path) -> dict[tuple[int, str], Path]:
    """Fold and role -> the list; of two spellings the one with the underscore."""
    lists = {}
    for path in sorted(folder.glob("fold*/*.jsonl")):
        if name := _EMOBOX_FILE.fullmatch(path.name):
            fold_and_role = int(name["fold"]), _EMOBOX_ROLES[name["role"]]
            if name["spelling"] or fold_and_role not in lists:
                lists[fold_and_role] = path
    return dict(sorted(lists.items()))


def emobox_rows(paths: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """Id (the key without the corpus's name and the ending), path within the corpus, and emotion, of every line.

    Raises:
        UserError: a line that is none of EmoBox's.
    """
    for path in paths:
        for number, line in enumerate(decode_text(path)[0].splitlines(), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                file = row["wav"] if "wav" in row else row["audio"]
                emotion = row["emo"] if "emo" in row else row["label"]
                _, corpus, within = file.split("/", 2)  # downloads/<corpus>/
                key = str(row.get("key") or within).removeprefix(f"{corpus}-")
                if not isinstance(emotion, str) or "\0" in file:
                    raise ValueError
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise UserError(
                    f"{path}, line {number}: expected a JSON object with wav (downloads/<corpus>/...) and emo."
                ) from None
            yield key.removesuffix(PurePosixPath(within).suffix), within, emotion


def _telling_parts(*tables: pd.Series) -> int:
    """How many trailing parts of the paths tell the files of each table apart."""
    most = max(int(paths.str.count("/").max()) + 1 for paths in tables)
    return next((parts for parts in range(1, most) if all(_tails(paths, parts).is_unique for paths in tables)), most)


def _tails(paths: pd.Series, parts: int) -> pd.Series:
    """The last parts of each path, without the file's ending."""
    return paths.map(lambda path: "/".join(PurePosixPath(path).with_suffix("").parts[-parts:]))


def _check_emotions(folder: Path, rows: pd.DataFrame, manifest: pd.DataFrame) -> None:
    """Other emotions than the corpus's own are a sign of other files, or of another corpus."""
    codes = rows["id"].map(manifest.set_index("id")["emotion"])
    pairs = pd.DataFrame({"emotion": rows["emotion"], "code": codes}).drop_duplicates()
    inconsistent = pairs[pairs.duplicated("emotion", keep=False) | pairs.duplicated("code", keep=False)]
    if len(inconsistent):
        found = sorted(
            f"{emotion}: {code}" for emotion, code in zip(inconsistent["emotion"], inconsistent["code"], strict=True)
        )
        raise UserError(
            f"{folder}: its emotions do not agree one to one with the codes of this corpus; are these the same "
            f"recordings?\n{listed(found)}"
        )
