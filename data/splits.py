"""Which utterance plays which role (train, validation, test) in which fold.

No speaker plays two roles in a fold, except under ``scheme: random``, which exists to compare with papers that do so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from data.errors import UserError, listed
from data.roles import ROLES, fold_columns
from data.settings import Settings

FOLDS_FOLDER = "data/folds"

_RANDOM_FOLDS = 5
_SHARED_SENTENCES = 0.05  # warn above this share of test utterances whose sentence stands in training


def _tracked_file(path: str) -> str:
    if not path.startswith(f"{FOLDS_FOLDER}/"):
        raise ValueError(f"must lie in {FOLDS_FOLDER}/, the folder that DVC watches for changes")
    return path


class SplitSettings(Settings):
    """``split``: who is tested, and who helps to choose the epoch.

    Attributes:
        scheme: what a test group is made of: whole sessions, whole speakers, random utterances, or a file's folds.
        validation: ``group`` takes the next fold's test group; ``speaker`` a seeded speaker, whose dialogue partner
            leaves training; ``none`` trains for a fixed number of epochs and keeps the last weights.
        folds: how many; null makes one fold per group (random: 5).
        seed: of ``scheme: random`` and ``validation: speaker``.
        file: for ``scheme: file``, a CSV in data/folds: ``id,fold``, or ``id,fold_0,fold_1,...`` with roles.
    """

    scheme: Literal["session", "speaker", "random", "file"]
    validation: Literal["group", "speaker", "none"] = "group"
    folds: Annotated[int, Field(ge=2)] | None = None
    seed: int = 1
    file: Annotated[str, AfterValidator(_tracked_file)] | None = None

    @model_validator(mode="after")
    def _file_goes_with_its_scheme(self):
        if (self.scheme == "file") != (self.file is not None):
            raise ValueError("split.file and scheme: file go together")
        return self


def make_splits(labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    """Assign roles.

    Args:
        labelled: manifest rows with a column ``label``.
        split: the scheme.

    Returns:
        ``id, label, fold_0 ... fold_{k-1}``; each cell ``train``, ``validation``, ``test`` or empty.

    Raises:
        UserError: groups that the corpus does not have, too few of them, or official folds that contradict themselves
            or share speakers.
    """
    if split.scheme == "file":
        folds = _folds_from_file(labelled, split)
    else:
        folds = _folds_from_groups(_test_groups(labelled, split), labelled, split)
    for column in folds:
        _check_fold(labelled, folds[column], column, split)
    return pd.concat([labelled[["id", "label"]], folds], axis="columns")


def split_warnings(labelled: pd.DataFrame, splits: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """What a reader of any result made with this split has to know.

    Args:
        labelled: the split's utterances with ``speaker`` and ``text``, in the order of ``splits``.
        splits: the roles.
        classes: all class names.
    """
    warnings = []
    columns = fold_columns(splits)
    leaking = [column for column in columns if shared_speakers(labelled["speaker"], splits[column])]
    if leaking:
        warnings.append(
            f"Speaker leakage: in {len(leaking)} of {len(columns)} folds the same speakers are in several roles. "
            "These figures say nothing about unseen speakers."
        )
    partners = [column for column in columns if _shares_dialogs(labelled["dialog"], splits[column])]
    if partners and not leaking:
        warnings.append(
            f"Shared dialogues: in {len(partners)} of {len(columns)} folds a test speaker's dialogue partner is in "
            "training or validation: same room, topic and microphones. scheme: session keeps dialogues whole."
        )
    if (labelled["text"] == "").mean() > 0.5:
        warnings.append("Most utterances have no text: sentences shared by training and test cannot be counted.")
    shares = [_shared_sentences(labelled["text"], splits[column]) for column in columns]
    if max(shares) >= _SHARED_SENTENCES:
        warnings.append(
            f"Shared sentences: {np.mean(shares):.0%} of the test utterances speak a sentence that is also in "
            "training, so a model may know the words beforehand."
        )
    for column in columns:
        for role in ROLES:
            present = set(splits["label"][splits[column] == role])
            absent = [name for name in classes if name not in present]
            if present and absent:
                warnings.append(f"{column}: no {', '.join(absent)} in {role}.")
    return warnings


def shared_speakers(speakers: pd.Series, roles: pd.Series) -> list[str]:
    """The speakers that play more than one role in a fold."""
    count = roles[roles != ""].groupby(speakers).nunique()
    return sorted(count.index[count > 1])


def _shares_dialogs(dialogs: pd.Series, roles: pd.Series) -> bool:
    tested = set(dialogs[roles == "test"]) - {""}
    return bool(dialogs[roles.isin(["train", "validation"])].isin(tested).any())


def _test_groups(labelled: pd.DataFrame, split: SplitSettings) -> list[set[str]]:
    """The ids of every fold's test group."""
    if split.scheme == "random":
        shuffled = np.random.default_rng(split.seed).permutation(labelled["id"].to_numpy())
        return [set(part) for part in np.array_split(shuffled, split.folds or _RANDOM_FOLDS)]
    groups = labelled[split.scheme]
    if (groups == "").any():
        other = "speaker" if split.scheme == "session" else "random"
        raise UserError(f"split.scheme: this corpus names no {split.scheme}s; use scheme: {other}.")
    names = sorted(groups.unique())
    count = split.folds or len(names)
    if count > len(names):
        raise UserError(f"split.folds: {count} folds requested, but there are only {len(names)} {split.scheme}s.")
    return [set(labelled["id"][groups.isin(block)]) for block in np.array_split(names, count)]


def _folds_from_groups(tests: list[set[str]], labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    fewest = 3 if split.validation == "group" else 2
    if len(tests) < fewest:
        raise UserError(
            f"split: validation: {split.validation} needs at least {fewest} test groups, and there are {len(tests)}."
        )
    return pd.DataFrame(
        {f"fold_{number}": _roles(number, tests, labelled, split) for number in range(len(tests))},
        index=labelled.index,
    )


def _roles(number: int, tests: list[set[str]], labelled: pd.DataFrame, split: SplitSettings) -> pd.Series:
    roles = pd.Series("train", index=labelled.index)
    if split.validation == "group":
        roles[labelled["id"].isin(tests[(number + 1) % len(tests)])] = "validation"
    roles[labelled["id"].isin(tests[number])] = "test"
    if split.validation == "speaker":
        _hold_out_speaker(roles, labelled, np.random.default_rng([split.seed, number]))
    return roles


def _hold_out_speaker(roles: pd.Series, labelled: pd.DataFrame, random: np.random.Generator) -> None:
    """Make one training speaker the validation speaker; whoever shares a dialogue with them leaves training."""
    training = labelled[roles == "train"]
    chosen = random.choice(sorted(training["speaker"].unique()))
    dialogs = set(training["dialog"][training["speaker"] == chosen]) - {""}
    partners = set(training["speaker"][training["dialog"].isin(dialogs)]) - {chosen}
    roles[(roles == "train") & labelled["speaker"].isin(partners)] = ""
    roles[(roles == "train") & (labelled["speaker"] == chosen)] = "validation"


def _folds_from_file(labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    path = Path(split.file)
    if not path.is_file():
        raise UserError(f"split.file: there is no {path}.")
    official = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = fold_columns(official)
    if "id" not in official or not (columns or "fold" in official):
        raise UserError(f"{path}: expected columns id,fold or id,fold_0,fold_1,...; found {', '.join(official)}.")
    official = official[["id", *(columns or ["fold"])]].drop_duplicates()
    contradicted = sorted(set(official["id"][official["id"].duplicated()]))
    if contradicted:
        raise UserError(
            f"{path}: {len(contradicted)} utterance ids have more than one row, with different folds or roles; "
            f"keep one row of each:\n{listed(contradicted)}"
        )
    official = official.set_index("id")
    unknown = sorted(set(labelled["id"]) - set(official.index))
    if unknown:
        raise UserError(f"{path}: {len(unknown)} labelled utterances are not in it:\n{listed(unknown)}")
    official = official.loc[labelled["id"]].set_index(labelled.index)
    if not columns:
        names = sorted(official["fold"].unique(), key=lambda name: (len(name), name))
        return _folds_from_groups([set(labelled["id"][official["fold"] == name]) for name in names], labelled, split)
    strange = sorted(set(official[columns].to_numpy().ravel()) - {*ROLES, ""})
    if strange:
        raise UserError(f"{path}: roles are train, validation, test or empty; found {', '.join(strange)}.")
    return official[columns]


def _check_fold(labelled: pd.DataFrame, roles: pd.Series, column: str, split: SplitSettings) -> None:
    for role in ("train", "test"):
        if not (roles == role).any():
            raise UserError(f"{column}: nothing is left for {role}; use more groups, or another validation.")
    leaking = shared_speakers(labelled["speaker"], roles)
    if leaking and split.scheme != "random":
        raise UserError(
            f"{column}: speakers in more than one role: {', '.join(leaking)}. A model that has heard the test speaker "
            "is not tested on unseen speakers. (Only scheme: random permits this, and the report says so.)"
        )


def _shared_sentences(texts: pd.Series, roles: pd.Series) -> float:
    """The share of test utterances whose sentence stands in training; greetings and the like do not count."""
    sentences = texts.str.lower().str.replace(r"[^\w\s]", "", regex=True).str.strip()
    fixed = sentences.str.fullmatch(r"[a-z]\d+") | (sentences.str.count(r"\s+") >= 3)
    training = set(sentences[fixed & (roles == "train")])
    test = sentences[roles == "test"]
    return float((fixed[roles == "test"] & test.isin(training)).mean())
