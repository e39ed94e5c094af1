"""Which utterance plays which role (train, validation, test) in which fold.

No test speaker of a fold is in its training or validation, except under ``scheme: random`` and in published
folds (``official``, ``file``, ``emobox``), which exist to compare with papers that do otherwise.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import UserError
from data.manifest import has_value
from data.official_folds import read_emobox, read_fold_table, read_folds
from data.roles import speakers_also_in
from data.split_settings import FOLDS_FOLDER, SplitSettings

_RANDOM_FOLDS = 5
_FIRST = ("corpus", "id", "label")  # columns, before the shares of votes and the folds


def make_splits(
    labelled: pd.DataFrame,
    split: SplitSettings,
    manifest: pd.DataFrame | None = None,
    official: Path | None = None,
) -> pd.DataFrame:
    """Assign roles.

    Args:
        labelled: manifest rows with a column ``corpus``, and ``label`` or ratings.
        split: the scheme.
        manifest: all utterances of the corpora, where the labelled ones are not all.
        official: where the folds are that the corpora bring, if they bring any.

    Returns:
        ``corpus, id``, ``label`` and the shares of votes if there are any, ``fold_0 ... fold_{k-1}``, each cell
        ``train``, ``validation``, ``test`` or empty, and then the manifest's other columns.

    Raises:
        UserError: groups that the corpus does not have, too few of them, or published folds that contradict themselves
            or do not fit the corpus or ``split.validation``.
    """
    if split.test is not None:
        folds = _fold_of_corpora(labelled, split)
    elif split.scheme == "official":
        folds = _official_folds(official, labelled, split)
    elif split.file is None:
        folds = _folds_from_groups(_test_groups(labelled, split), labelled, split)
    else:
        folds = _published_folds(labelled, labelled if manifest is None else manifest, split)
    for role, where in split.where.items():
        played = folds == role
        folds = folds.mask(played.mul(~_passes(labelled, where, f"split.where.{role}"), axis="index"), "")
        if emptied := [column for column in folds if played[column].any() and not (folds[column] == role).any()]:
            raise UserError(f"split.where.{role}: nothing is left for {role} in {', '.join(emptied)}; ask for less.")
    for column in folds:
        _check_fold(labelled, folds[column], column, split)
    known = labelled[[name for name in labelled if name in ("corpus", "id", "label") or name.startswith("share_")]]
    known = known[sorted(known, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))]
    return pd.concat([known, folds, labelled.drop(columns=list(known))], axis="columns")


def _passes(labelled: pd.DataFrame, where: dict[str, list[str]], key: str) -> pd.Series:
    """Which utterances have the values that a role asks for."""
    passing = pd.Series(True, index=labelled.index)
    for column, values in where.items():
        passing &= has_value(labelled, column, values, f"{key}.{column}")
    return passing


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
    if count == len(names):
        blocks = [[name] for name in names]
    else:
        per_corpus = [sorted(own.unique()) for _, own in groups.groupby(labelled["corpus"])]
        parts = [np.array_split(own, count) for own in per_corpus]
        blocks = [np.concatenate(block) for block in zip(*parts, strict=True)]
    tests = [set(labelled["id"][groups.isin(block)]) for block in blocks]
    if empty := [number for number, test in enumerate(tests) if not test]:
        raise UserError(
            f"split.folds: {count} folds requested, and fold {empty[0]} would have no test utterances; set fewer folds."
        )
    return tests


def _fold_of_corpora(labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    """The one fold of ``scheme: corpus`` that lists name."""
    named = split.named_corpora()
    chosen = [name for corpora in named.values() for name in corpora]
    training = split.train or sorted(set(labelled["corpus"]) - set(chosen))
    if empty := sorted(set(chosen) - set(labelled["corpus"])):
        raise UserError(
            f"split: no utterance of {', '.join(empty)} belongs to a class and passes the task's where; name "
            "other corpora, or change these."
        )
    roles = pd.Series("", index=labelled.index)
    for role, corpora in {**named, "train": training}.items():
        roles[labelled["corpus"].isin(corpora)] = role
    if split.validation == "group":
        raise UserError(
            "split.validation: group needs a corpus in each fold; with split.test, name corpora for validation, or use "
            "speaker, random or none."
        )
    _hold_out(roles, labelled, 0, split)
    return pd.DataFrame({"fold_0": roles})


def _folds_from_groups(tests: list[set[str]], labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    fewest = 3 if split.validation == "group" else 2
    if len(tests) < fewest:
        raise UserError(
            f"split.validation: {split.validation} needs at least {fewest} test groups, and there are {len(tests)}."
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
    """Make one training speaker of each corpus a validation speaker; their dialogue partners leave training.

    A corpus that would leave training altogether keeps its speakers there, as long as others have some for validation.
    """
    by_corpus = labelled[roles == "train"].groupby("corpus")
    for _, training in by_corpus:
        chosen = random.choice(sorted(training["speaker"].unique()))
        dialogs = set(training["dialog"][training["speaker"] == chosen]) - {""}
        partners = set(training["speaker"][training["dialog"].isin(dialogs)]) - {chosen}
        if len(by_corpus) > 1 and set(training["speaker"]) == {chosen, *partners}:
            continue
        roles[(roles == "train") & labelled["speaker"].isin(partners)] = ""
        roles[(roles == "train") & (labelled["speaker"] == chosen)] = "validation"
    if not (roles == "validation").any():
        raise UserError(
            "split.validation: speaker needs a corpus that still trains without one of its speakers and that speaker's "
            "dialogue partners; use group, random or none."
        )


def _published_folds(labelled: pd.DataFrame, manifest: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    path = Path(split.file)
    if not path.resolve().is_relative_to(Path(FOLDS_FOLDER).resolve()):
        raise UserError(f"split.file: {path} leads out of {FOLDS_FOLDER}, where DVC sees no change; copy it there.")
    if split.scheme == "emobox":
        return _folds_from_roles(_emobox_folds(path, labelled, manifest), labelled, split)
    return _folds_of_table(path, labelled, split)


def _official_folds(path: Path | None, labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    """The folds that the corpora bring; joined corpora's number by number."""
    brought = read_folds(path) if path is not None else None
    own = labelled["id"].isin([] if brought is None else brought["id"])
    if without := sorted(set(labelled["corpus"][~own])):
        raise UserError(f"split.scheme: {', '.join(without)} brings no folds of its own; use another scheme.")
    columns = [column for column in brought if column != "id"]
    named = (brought[columns] != "").groupby(brought["id"].map(labelled.set_index("id")["corpus"])).any()
    if len(named.drop_duplicates()) > 1:
        found = "; ".join(f"{corpus}: {', '.join(named.columns[row])}" for corpus, row in named.iterrows())
        raise UserError(f"split.scheme: official: these corpora bring different folds ({found}); use another scheme.")
    return _folds_of_table(path, labelled, split)


def _folds_of_table(path: Path, labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    """Folds as a CSV has them: test groups, or roles."""
    published = read_fold_table(path, labelled)
    if "fold" not in published:
        return _folds_from_roles(published, labelled, split)
    if split.validation == "official":
        raise UserError(f"{path} names test groups only; use split.validation: group, speaker, random or none.")
    names = sorted(published["fold"].unique(), key=lambda name: (len(name), name))
    return _folds_from_groups([set(labelled["id"][published["fold"] == name]) for name in names], labelled, split)


def _emobox_folds(folder: Path, labelled: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """EmoBox's folds of one corpus, or those of several, number by number."""
    corpora = sorted(labelled["corpus"].unique())
    if len(corpora) == 1:
        return read_emobox(folder, labelled, manifest)
    own = {corpus: labelled[labelled["corpus"] == corpus] for corpus in corpora}
    folds = {
        corpus: read_emobox(folder / corpus, rows, manifest[manifest["corpus"] == corpus])
        for corpus, rows in own.items()
    }
    counts = {corpus: table.shape[1] for corpus, table in folds.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{corpus} {count}" for corpus, count in counts.items())
        raise UserError(f"{folder}: EmoBox has different numbers of folds for these corpora: {found}.")
    return pd.concat(folds.values()).loc[labelled.index]


def _folds_from_roles(published: pd.DataFrame, labelled: pd.DataFrame, split: SplitSettings) -> pd.DataFrame:
    named = bool((published == "validation").any(axis=None))
    source = split.file or "the corpus"
    if named and split.validation != "official":
        raise UserError(f"{source} names validation utterances of its own; use split.validation: official.")
    if not named and split.validation not in ("random", "none"):
        raise UserError(
            f"{source} names no validation utterances, so split.validation: {split.validation} does not apply. "
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
    if leaking and split.scheme in ("session", "speaker", "corpus"):
        raise UserError(
            f"{column}: test speakers also in training or validation: {', '.join(leaking)}. A model trained on a "
            "test speaker is not tested on unseen speakers. (scheme: random, official, file and emobox permit this, "
            "and the report says so.)"
        )
