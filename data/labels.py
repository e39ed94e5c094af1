"""Corpus codes -> classes. The only place that maps labels; a class's index is its place in the sorted names."""

from typing import Annotated

import pandas as pd
from pydantic import AfterValidator

from data.corpora import CORPORA
from data.errors import UserError
from data.manifest import ColumnFilter, has_value, nearest
from data.settings import Settings


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
    """``task``: what is told apart, on which utterances.

    Attributes:
        classes: class -> the corpus's own codes that belong to it; their order means nothing (logits follow the
            sorted names).
        where: manifest column -> the values that take part; empty for all utterances.
    """

    classes: Annotated[dict[str, list[str]], AfterValidator(_distinct_codes)]
    where: ColumnFilter = {}


def check_codes(task: TaskSettings, corpus: str) -> None:
    """Refuse codes that the corpus does not have.

    Raises:
        UserError: naming the code and the nearest valid one.
    """
    emotions = CORPORA[corpus].EMOTIONS
    for name, codes in task.classes.items():
        for code in codes:
            if code not in emotions:
                meanings = ", ".join(f"{known} ({meaning})" for known, meaning in emotions.items())
                hint = f"{nearest(code, emotions)} (there are {meanings})"
                raise UserError(f"task.classes.{name}: {corpus} has no code {code!r}{hint}")


def label_utterances(manifest: pd.DataFrame, task: TaskSettings) -> pd.DataFrame:
    """The manifest's utterances that belong to a class and pass ``task.where``, with a column ``label``.

    Raises:
        UserError: nothing is left, or a class has no utterance at all.
    """
    classes = {code: name for name, codes in task.classes.items() for code in codes}
    labelled = manifest.assign(label=manifest["emotion"].map(classes))
    labelled = labelled[labelled["label"].notna()]
    for column, values in task.where.items():
        wanted = has_value(manifest, column, values, f"task.where.{column}")
        labelled = labelled[wanted[labelled.index]]
    absent = [name for name in task.classes if name not in set(labelled["label"])]
    if absent:
        raise UserError(
            f"task.classes: no utterance of {', '.join(absent)} is left in the manifest "
            "(see corpus.exclude, task.where and the codes)."
        )
    return labelled.reset_index(drop=True)
