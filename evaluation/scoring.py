"""Predictions made elsewhere, from a CSV, under the same metrics as the heads trained here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.digest import file_digest
from data.errors import UserError, listed, nearest
from data.roles import fold_columns
from data.task_description import TaskDescription
from evaluation.assessment import assess_predictions
from evaluation.cautions import interval_cautions, task_cautions
from evaluation.description import describe_task
from evaluation.evaluation import Evaluation, predictions_table
from evaluation.results import Details, PredictionsFile
from evaluation.settings import EvaluateSettings

_ROUNDING = 0.01  # of probabilities that sum to one
_KEY = ["seed", "fold", "id"]


def evaluate_predictions(
    path: Path, name: str, *, task: TaskDescription, splits: pd.DataFrame, seed: int, settings: EvaluateSettings
) -> Evaluation:
    """Everything that can be said of predictions made elsewhere.

    Args:
        path: as for `read_predictions`.
        name: how to call them.
        task: the description of the task.
        splits: the task's: roles, labels, and the manifest's columns.
        seed: of predictions without a seed.
        settings: of the bootstrap.

    Raises:
        UserError: as `read_predictions`.
    """
    classes = sorted(task.classes)
    test = read_predictions(path, splits, classes, seed)
    assessment = assess_predictions(test, splits, classes, settings)
    data = describe_task(task, splits)
    details = Details(
        **dict(assessment),
        head=name,
        task=task.task,
        corpora=sorted(task.corpora),
        features=None,
        seeds=sorted(int(known) for known in test["seed"].unique()),
        data=data,
        training=None,
        source=PredictionsFile(file=path.name, sha256=file_digest(path, "sha256")),
        cautions=[*task_cautions(data, splits), *interval_cautions(assessment)],
    )
    return Evaluation(details, predictions_table(test, splits, classes))


def read_predictions(path: Path, splits: pd.DataFrame, classes: Sequence[str], seed: int) -> pd.DataFrame:
    """Read predictions of all test utterances.

    Args:
        path: a CSV with ``id``; ``predicted`` (class names), ``p_<class>`` for every class, or both; ``fold``, where an
            utterance is tested in several; ``seed``, where there are several runs. Other columns are ignored.
        splits: roles, labels and speakers.
        classes: sorted.
        seed: of predictions without a seed.

    Returns:
        ``id, speaker, fold, seed, label, predicted``, and ``p_<class>`` if they are given; sorted by fold, seed and id.

    Raises:
        UserError: not such a table, classes that the task does not have, or other rows than one per test utterance,
            fold and seed.
    """
    table = _read_table(path)
    table = table.assign(seed=_whole_numbers(table, "seed", path) if "seed" in table else seed)
    tested = _tested(splits)
    unknown = sorted(set(table["id"]) - set(tested["id"]))
    if unknown:
        raise UserError(
            f"{path}: {len(unknown)} ids are not test utterances of this task{nearest(unknown[0], tested['id'])}:"
            f"\n{listed(unknown)}"
        )
    table = table.assign(
        fold=_whole_numbers(table, "fold", path) if "fold" in table else _only_fold(table, tested, path)
    )
    _check_rows(table, tested, path)
    probabilities = _probabilities(table, classes, path)
    table = table.drop(columns=[name for name in table if name.startswith("p_")]).join(probabilities)
    if "predicted" not in table:
        table["predicted"] = np.array(classes)[probabilities.to_numpy().argmax(axis=1)]
    _check_classes(table, probabilities, classes, path)
    scored = table[[*_KEY, "predicted", *probabilities]].merge(tested, on=["fold", "id"])
    columns = ["id", "speaker", "fold", "seed", "label", "predicted", *probabilities]
    return scored.sort_values(["fold", "seed", "id"], ignore_index=True)[columns]


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UserError(f"there is no {path}.") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a CSV: {error}") from None
    if "id" not in table or not any(name == "predicted" or name.startswith("p_") for name in table):
        raise UserError(
            f"{path}: expected columns id and predicted, or id and p_<class> for every class; found {', '.join(table)}."
        )
    if table.empty:
        raise UserError(f"{path}: there are no rows below the header.")
    return table


def _tested(splits: pd.DataFrame) -> pd.DataFrame:
    """``id, speaker, label, fold``: a row per test utterance and fold."""
    tables = [
        splits[splits[column] == "test"][["id", "speaker", "label"]].assign(fold=int(column.removeprefix("fold_")))
        for column in fold_columns(splits)
    ]
    return pd.concat(tables, ignore_index=True)


def _whole_numbers(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce")
    wrong = sorted(set(table[column][numbers.isna() | (numbers % 1 != 0)]))
    if wrong:
        raise UserError(f"{path}: a {column} is a whole number; found {', '.join(map(repr, wrong[:5]))}.")
    return numbers.astype(int)


def _only_fold(table: pd.DataFrame, tested: pd.DataFrame, path: Path) -> pd.Series:
    several = sorted(set(table["id"]) & set(tested["id"][tested["id"].duplicated()]))
    if several:
        raise UserError(
            f"{path}: {len(several)} utterances are tested in several folds; add a column fold:\n{listed(several)}"
        )
    return table["id"].map(tested.set_index("id")["fold"])


def _check_rows(table: pd.DataFrame, tested: pd.DataFrame, path: Path) -> None:
    """Exactly one row per test utterance, fold and seed."""
    duplicates = table[table.duplicated(_KEY)]
    if len(duplicates):
        raise UserError(
            f"{path}: {len(duplicates)} duplicate predictions of the same utterance, fold and seed; several runs need "
            f"a column seed:\n{listed(sorted(set(duplicates['id'])))}"
        )
    expected = pd.MultiIndex.from_frame(tested[["fold", "id"]])
    elsewhere = table[~pd.MultiIndex.from_frame(table[["fold", "id"]]).isin(expected)]
    if len(elsewhere):
        rows = [
            f"{identifier} in fold {fold}" for fold, identifier in zip(elsewhere["fold"], elsewhere["id"], strict=True)
        ]
        raise UserError(
            f"{path}: {len(rows)} utterances are not tested in the fold that the file names:\n{listed(sorted(rows))}"
        )
    for seed, rows in table.groupby("seed"):
        missing = tested[~expected.isin(pd.MultiIndex.from_frame(rows[["fold", "id"]]))]
        if len(missing):
            raise UserError(
                f"{path}: {len(missing):,} of {len(tested):,} test utterances have no prediction of seed {seed}. "
                f"Only complete predictions can be compared; predict all of them:\n{listed(sorted(set(missing['id'])))}"
            )


def _probabilities(table: pd.DataFrame, classes: Sequence[str], path: Path) -> pd.DataFrame:
    """``p_<class>`` in the order of the classes; no columns where none are given."""
    expected = [f"p_{name}" for name in classes]
    given = [name for name in expected if name in table]
    if given and given != expected:
        raise UserError(f"{path}: expected {', '.join(expected)}; found {', '.join(given)}.")
    numbers = table[expected if given else []].apply(pd.to_numeric, errors="coerce")
    values = numbers.to_numpy(float)
    valid = ((values >= 0) & (values <= 1)).all(axis=1) & (abs(values.sum(axis=1) - 1) < _ROUNDING)
    if given and not valid.all():
        raise UserError(
            f"{path}: {(~valid).sum():,} rows have probabilities that are not between 0 and 1 or do not sum to 1:"
            f"\n{listed(list(table['id'][~valid]))}"
        )
    return numbers


def _check_classes(table: pd.DataFrame, probabilities: pd.DataFrame, classes: Sequence[str], path: Path) -> None:
    unknown = sorted(set(table["predicted"]) - set(classes))
    if unknown:
        raise UserError(
            f"{path}: predicted has {unknown[0]!r}, which is no class{nearest(unknown[0], classes)} "
            f"(there are {', '.join(classes)})"
        )
    if probabilities.empty:
        return
    values = probabilities.to_numpy()
    own = values[np.arange(len(values)), [classes.index(name) for name in table["predicted"]]]
    other = own < values.max(axis=1)
    if other.any():
        raise UserError(
            f"{path}: in {other.sum():,} rows predicted is not the most probable class; leave out "
            "either predicted or the probabilities:"
            f"\n{listed(list(table['id'][other]))}"
        )
