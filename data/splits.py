"""Which utterance plays which role (train, validation, test) in which fold.

Nobody who is tested in a fold is heard in its training or validation, except under ``scheme: random`` and in published
folds (``file``, ``emobox``), which exist to compare with papers that do otherwise.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from data.errors import UserError
from data.official_folds import read_emobox, read_fold_table
from data.settings import Settings

FOLDS_FOLDER = "data/folds"

_RANDOM_FOLDS = 5


def _tracked_file(path: str) -> str:
    if not path.startswith(f"{FOLDS_FOLDER}/"):
        raise ValueError(f"must lie in {FOLDS_FOLDER}/, the folder that DVC watches for changes")
    return path


class SplitSettings(Settings):
    """``split``: who is tested, and who helps to choose the epoch.

    Attributes:
        scheme: what a test group is made of: whole sessions, whole speakers, or random utterances; or published folds:
            ``file`` reads a CSV, ``emobox`` EmoBox's metadata.
        validation: ``group`` takes the next fold's test group; ``speaker`` a seeded speaker, whose dialogue partner
            leaves training; ``random`` a share of the fold's training utterances; ``official`` the validation
            utterances that published folds name; ``none`` trains for a fixed number of epochs and keeps the last
            weights.
        validation_share: of the training utterances, for ``validation: random``.
        folds: how many; null makes one fold per group (random: 5).
        seed: of ``scheme: random`` and of ``validation: speaker`` and ``random``.
        file: in data/folds: for ``scheme: file`` a CSV, ``id,fold`` or ``id,fold_0,fold_1,...`` with roles; for
            ``emobox`` a folder.
    """

    scheme: Literal["session", "speaker", "random", "file", "emobox"]
    validation: Literal["group", "speaker", "random", "official", "none"] = "group"
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    folds: Annotated[int, Field(ge=2)] | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    file: Annotated[str, AfterValidator(_tracked_file)] | None = None

    @model_validator(mode="after")
    def _file_goes_with_its_scheme(self):
        published = self.scheme in ("file", "emobox")
        if published != (self.file is not None):
            raise ValueError("split.file goes with scheme: file or emobox, and with no other")
        if published and self.folds is not None:
            raise ValueError(f"scheme: {self.scheme} has as many folds as {self.file} names; set split.folds to null")
        if self.validation == "official" and not published:
            raise ValueError("validation: official goes with scheme: file or emobox")
        if self.scheme == "emobox" and self.validation in ("group", "speaker"):
            raise ValueError(
                f"validation: {self.validation} does not go with scheme: emobox; choose random (their protocol: a "
                "share of the training utterances), official (where they have a validation set) or none"
            )
        return self


def make_splits(labelled: pd.DataFrame, split: SplitSettings, manifest: pd.DataFrame | None = None) -> pd.DataFrame:
    """Assign roles.

    Args:
        labelled: manifest rows with a column ``label``.
        split: the scheme.
        manifest: all utterances of the corpus, where the labelled ones are not all.

    Returns:
        ``id, label, fold_0 ... fold_{k-1}``; each cell ``train``, ``validation``, ``test`` or empty.

    Raises:
        UserError: groups that the corpus does not have, too few of them, or published folds that contradict themselves
            or do not fit the corpus or ``split.validation``.
    """
    if split.file is None:
        folds = _folds_from_groups(_test_groups(labelled, split), labelled, split)
    else:
        folds = _published_folds(labelled, labelled if manifest is None else manifest, split)
    for column in folds:
        _check_fold(labelled, folds[column], column, split)
    return pd.concat([labelled[["id", "label"]], folds], axis="columns")


def shared_speakers(speakers: pd.Series, roles: pd.Series) -> list[str]:
    """The speakers that play more than one role in a fold."""
    count = roles[roles != ""].groupby(speakers).nunique()
    return sorted(count.index[count > 1])


def speakers_also_in(speakers: pd.Series, roles: pd.Series, role: str, others: Sequence[str]) -> list[str]:
    """The speakers of a role that in the same fold also play one of the others."""
    return sorted(set(speakers[roles == role]) & set(speakers[roles.isin(others)]))


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
    _hold_out(roles, labelled, number, split)
    return roles


def _hold_out(roles: pd.Series, labelled: pd.DataFrame, number: int, split: SplitSettings) -> None:
    """Draw the validation utterances of a fold from its training utterances, where they are drawn at all."""
    random = np.random.default_rng([split.seed, number])
    if split.validation == "speaker":
        _hold_out_speaker(roles, labelled, random)
    if split.validation == "random":
        training = sorted(labelled["id"][roles == "train"])
        count = max(1, round(split.validation_share * len(training)))
        roles[labelled["id"].isin(random.choice(training, min(count, len(training)), replace=False))] = "validation"


def _hold_out_speaker(roles: pd.Series, labelled: pd.DataFrame, random: np.random.Generator) -> None:
    """Make one training speaker the validation speaker; whoever shares a dialogue with them leaves training."""
    training = labelled[roles == "train"]
    chosen = random.choice(sorted(training["speaker"].unique()))
    dialogs = set(training["dialog"][training["speaker"] == chosen]) - {""}
    partners = set(training["speaker"][training["dialog"].isin(dialogs)]) - {chosen}
    roles[(roles == "train") & labelled["speaker"].isin(partners)] = ""
    roles[(roles == "train") & (labelled["speaker"] == chosen)] = "validation"


def _published_folds(labelled: pd.DataFrame, manifest: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    path = Path(split.file)
    if not path.resolve().is_relative_to(Path(FOLDS_FOLDER).resolve()):
        raise UserError(f"split.file: {path} leads out of {FOLDS_FOLDER}, where DVC sees no change; copy it there.")
    if split.scheme == "emobox":
        return _folds_from_roles(read_emobox(path, labelled, manifest), labelled, split)
    published = read_fold_table(path, labelled)
    if "fold" not in published:
        return _folds_from_roles(published, labelled, split)
    if split.validation == "official":
        raise UserError(f"{path} names test groups only; use split.validation: group, speaker, random or none.")
    names = sorted(published["fold"].unique(), key=lambda name: (len(name), name))
    return _folds_from_groups([set(labelled["id"][published["fold"] == name]) for name in names], labelled, split)


def _folds_from_roles(published: pd.DataFrame, labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    named = bool((published == "validation").any(axis=None))
    if named and split.validation != "official":
        raise UserError(f"{split.file} names validation utterances of its own; use split.validation: official.")
    if not named and split.validation not in ("random", "none"):
        raise UserError(
            f"{split.file} names no validation utterances, so split.validation: {split.validation} does not apply. "
            "Choose random (a share of each fold's training utterances) or none (a fixed number of epochs)."
        )
    folds = published.copy()
    for number, column in enumerate(folds):
        roles = folds[column].copy()
        _hold_out(roles, labelled, number, split)
        folds[column] = roles
    return folds


def _check_fold(labelled: pd.DataFrame, roles: pd.Series, column: str, split: SplitSettings) -> None:
    for role in ("train", "test"):
        if not (roles == role).any():
            raise UserError(f"{column}: nothing is left for {role}; use more groups, or another validation.")
    leaking = speakers_also_in(labelled["speaker"], roles, "test", ("train", "validation"))
    if leaking and split.scheme in ("session", "speaker"):
        raise UserError(
            f"{column}: test speakers also in training or validation: {', '.join(leaking)}. A model that has heard the "
            "test speaker is not tested on unseen speakers. (scheme: random, file and emobox permit this, and the "
            "report says so.)"
        )
