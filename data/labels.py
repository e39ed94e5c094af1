"""What a task's heads are to predict: corpus codes -> classes, votes -> shares of them, or ratings.

The only place that maps labels; a class's index is its position in the sorted names.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, model_validator

from data.corpora import known_emotions
from data.corpus_settings import ColumnFilter
from data.errors import UserError, nearest
from data.manifest import has_value
from data.settings import Settings, distinct
from data.split_settings import SplitSettings
from data.utterance import COLUMNS, NUMBERS
from data.votes import vote_shares

RATINGS = [name for name in NUMBERS if name not in ("start", "end")]


def _distinct_codes(classes: dict[str, list[str]]) -> dict[str, list[str]]:
    if classes and len(classes) < 2:
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


def _ratings(targets: list[str]) -> list[str]:
    for name in targets:
        if name in COLUMNS and name not in RATINGS:
            raise ValueError(f"{name} is no rating{nearest(name, RATINGS)} (there are {', '.join(RATINGS)})")
    return distinct(targets)


class TaskSettings(Settings):
    """``tasks.<name>``: the classes or ratings, the utterances that take part, and how they are split.

    Attributes:
        corpus: a corpus, or several joined ones.
        classes: class -> the corpus's own codes that belong to it (``corpus:code`` in joined corpora); their order
            means nothing (logits follow the sorted names).
        targets: in place of classes, the manifest columns whose ratings are predicted.
        labels: what heads are trained towards: the class of most annotators, or the share of ``votes`` for each class.
        where: manifest column -> the values that take part; empty for all utterances.
        split: who is tested.
    """

    corpus: str
    classes: Annotated[dict[str, list[str]], AfterValidator(_distinct_codes)] = {}
    targets: Annotated[list[str], AfterValidator(_ratings)] = []
    labels: Literal["majority", "votes"] = "majority"
    where: ColumnFilter = {}
    split: SplitSettings

    @model_validator(mode="after")
    def _classes_or_targets(self):
        if bool(self.classes) == bool(self.targets):
            raise ValueError(
                "give either classes (class -> codes) or targets (ratings, such as [valence, activation, dominance])"
            )
        if self.targets and self.labels == "votes":
            raise ValueError("labels: votes goes with classes; ratings have no votes")
        return self


def target_columns(task: TaskSettings, classes: Sequence[str]) -> list[str]:
    """The columns of the splits that heads are trained towards, beside the label; none where it says everything.

    Args:
        task: the parameters.
        classes: in the order of the columns.
    """
    if task.targets:
        return task.targets
    return [f"share_{name}" for name in classes] if task.labels == "votes" else []


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
    if task.targets:
        return
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
    """The manifest's utterances that belong to a task: those `candidates` that have all that heads are trained towards.

    Args:
        manifest: all utterances.
        task: the parameters.
        name: the task's, for errors.

    Raises:
        UserError: a class has no utterance at all, or a corpus has none; a column without ratings or votes.
    """
    labelled = candidates(manifest, task, name)
    labelled = labelled[labelled[target_columns(task, list(task.classes))].notna().all(axis="columns")]
    absent = [name for name in task.classes if name not in set(labelled["label"].unique())]
    if absent:
        raise UserError(
            f"tasks.{name}.classes: no utterance of {', '.join(absent)} is left in the manifest "
            f"(see corpora.*.exclude, tasks.{name}.where and the codes)."
        )
    if labelled.empty:
        raise UserError(f"tasks.{name}: no utterance is left that has a rating of {' and '.join(task.targets)}.")
    if "corpus" in manifest and (unused := sorted(set(manifest["corpus"].unique()) - set(labelled["corpus"].unique()))):
        raise UserError(
            f"tasks.{name}: no utterance of {', '.join(unused)} is left; change where, or join fewer corpora."
        )
    return labelled.reset_index(drop=True)


def candidates(manifest: pd.DataFrame, task: TaskSettings, name: str) -> pd.DataFrame:
    """The manifest's utterances that pass a task's ``where`` and, in a task of classes, belong to one.

    Arguments and errors are those of `label_utterances`.

    Returns:
        Rows of the manifest, with a column ``label`` and ``share_<class>``, or the targets as numbers: NaN where an
        utterance has no vote for any class, or no rating.
    """
    chosen = manifest
    for column, values in task.where.items():
        wanted = has_value(manifest, column, values, f"tasks.{name}.where.{column}")
        chosen = chosen[wanted[chosen.index]]
    if task.targets:
        return chosen.assign(**_ratings_of(chosen, task, name))
    classes = {code: label for label, codes in task.classes.items() for code in codes}
    labelled = chosen.assign(label=chosen["emotion"].map(classes))
    labelled = labelled[labelled["label"].notna()]
    if task.labels == "majority":
        return labelled
    if not (labelled["votes"] != "").any():
        raise UserError(
            f"tasks.{name}.labels: votes, but the corpus has none (the manifest's column votes is empty); use majority."
        )
    shares = vote_shares(labelled["votes"], dict(sorted(task.classes.items())))
    return labelled.assign(**shares.add_prefix("share_"))


def _ratings_of(chosen: pd.DataFrame, task: TaskSettings, name: str) -> pd.DataFrame:
    """The targets as numbers."""
    known = [column for column in chosen if column in RATINGS or column not in [*COLUMNS, "corpus"]]
    for target in task.targets:
        if target not in known:
            raise UserError(
                f"tasks.{name}.targets: the manifest has no column {target!r}{nearest(target, known)} "
                f"(there are {', '.join(known)})"
            )
    ratings = chosen[task.targets].apply(pd.to_numeric, errors="coerce")
    for target in task.targets:
        unread = chosen[target][ratings[target].isna() & chosen[target].notna()]
        if wrong := sorted(set(map(str, unread)) - {""}):
            raise UserError(f"tasks.{name}.targets: {target} is no number in some rows: {', '.join(wrong[:5])}")
        if ratings[target].isna().all():
            raise UserError(f"tasks.{name}.targets: no utterance has a rating of {target}; choose another target.")
    return ratings
