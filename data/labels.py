"""Corpus codes -> classes. The only place that maps labels; a class's index is its position in the sorted names."""

from collections.abc import Mapping
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator

from data.corpora import known_emotions
from data.corpus_settings import ColumnFilter
from data.errors import UserError, nearest
from data.manifest import has_value
from data.settings import Settings
from data.split_settings import SplitSettings


def _distinct_codes(classes: dict[str, list[str]]) -> dict[str, list[str]]:
    if len(classes) < 2:
        raise ValueError("at least two classes are needed")
    owner: dict[str, str] = {}
    for name, codes in classes.items():
        if not codes:
            raise ValueError(f"class {name!r} has no codes")
        for code in codes:
            if code in owner:
                raise ValueError(f"code {code!r} is in {owner[code]!r} and again in {name!r}")
            owner[code] = name
    return classes


class TaskSettings(Settings):
    """``tasks.<name>``: the classes, the utterances that take part, and how they are split.

    Attributes:
        corpus: a corpus, or several joined ones.
        classes: class -> the corpus's own codes that belong to it (``corpus:code`` in joined corpora); their order
            means nothing (logits follow the sorted names).
        where: manifest column -> the values that take part; empty for all utterances.
        split: who is tested.
    """

    corpus: str
    classes: Annotated[dict[str, list[str]], AfterValidator(_distinct_codes)]
    where: ColumnFilter = {}
    split: SplitSettings


def check_codes(name: str, task: TaskSettings, readers: Mapping[str, str]) -> None:
    """Refuse codes that a task's corpora do not have, and corpora that none of its codes belong to.

    The codes of a corpus that only the corpus itself knows are left to `check_codes_read`.

    Args:
        name: the task's.
        task: its parameters.
        readers: the corpora that it joins -> their readers; or the one that it names -> its reader.

    Raises:
        UserError: naming the code and the nearest valid one.
    """
    joined = len(readers) > 1
    emotions = {
        f"{corpus}:{code}" if joined else code: meaning
        for corpus, reader in sorted(readers.items())
        for code, meaning in (known_emotions(reader) or {}).items()
    }
    unread = [corpus for corpus, reader in readers.items() if known_emotions(reader) is None]
    for label, codes in task.classes.items():
        for code in codes:
            if unread and (not joined or code.partition(":")[0] in unread):
                continue
            if code not in emotions:
                where = f"tasks.{name}.classes.{label}"
                raise UserError(f"params.yaml: {where}: {_no_such_code(code, task.corpus, emotions, joined)}")
    codes = [code for of_class in task.classes.values() for code in of_class]
    for corpus in readers if joined else ():
        if not any(code.startswith(f"{corpus}:") for code in codes):
            raise UserError(
                f"params.yaml: tasks.{name}.classes: no code of {corpus}, which {task.corpus} joins. Add its codes, "
                f"written {corpus}:code, or leave {corpus} out of joined.{task.corpus}."
            )


def check_codes_read(name: str, task: TaskSettings, manifest: pd.DataFrame) -> None:
    """Refuse codes that no utterance has, of corpora whose codes are known only now that they have been read.

    Args:
        name: the task's.
        task: its parameters.
        manifest: all utterances of those corpora.

    Raises:
        UserError: naming the code, the nearest one and all that there are.
    """
    counts = manifest["emotion"].value_counts()
    corpora = set(manifest["corpus"])
    for label, codes in task.classes.items():
        for code in codes:
            own = task.corpus in corpora or code.partition(":")[0] in corpora
            if own and code not in counts.index:
                found = ", ".join(f"{known} {count:,}" for known, count in counts.items())
                raise UserError(
                    f"params.yaml: tasks.{name}.classes.{label}: {task.corpus} has no code {code!r}"
                    f"{nearest(code, counts.index)} (there are {found})"
                )


def _no_such_code(code: str, corpus: str, emotions: Mapping[str, str], joined: bool) -> str:
    qualified = [known for known in emotions if joined and known.partition(":")[2] == code]
    if qualified:
        return f"{corpus} joins several corpora, so write {' or '.join(qualified)} instead of {code!r}"
    meanings = ", ".join(f"{known} ({meaning})" for known, meaning in emotions.items())
    return f"{corpus} has no code {code!r}{nearest(code, emotions)} (there are {meanings})"


def label_utterances(manifest: pd.DataFrame, task: TaskSettings, name: str) -> pd.DataFrame:
    """The manifest's utterances that belong to a class and pass the task's ``where``, with a column ``label``.

    Args:
        manifest: all utterances.
        task: the parameters.
        name: the task's, for errors.

    Raises:
        UserError: a class has no utterance at all, or a corpus has none.
    """
    classes = {code: name for name, codes in task.classes.items() for code in codes}
    labelled = manifest.assign(label=manifest["emotion"].map(classes))
    labelled = labelled[labelled["label"].notna()]
    for column, values in task.where.items():
        wanted = has_value(manifest, column, values, f"tasks.{name}.where.{column}")
        labelled = labelled[wanted[labelled.index]]
    absent = [name for name in task.classes if name not in set(labelled["label"])]
    if absent:
        raise UserError(
            f"tasks.{name}.classes: no utterance of {', '.join(absent)} is left in the manifest "
            f"(see corpora.*.exclude, tasks.{name}.where and the codes)."
        )
    if "corpus" in manifest and (unused := sorted(set(manifest["corpus"]) - set(labelled["corpus"]))):
        raise UserError(
            f"tasks.{name}: no utterance of {', '.join(unused)} is left; change where, or join fewer corpora."
        )
    return labelled.reset_index(drop=True)
