"""Every head against one reference head, on the same speakers and seeds."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from data.metrics import METRICS, confusions_by, unweighted_accuracy_parts
from evaluation.results import Interval, Result
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEWEST_TO_TEST, difference_bootstrap, exchange_test, holm, sign_flip_test
from evaluation.units import confusions_by_speaker, num_known_speakers

SIGNIFICANT = 0.05


class Comparison(Result):
    """One head and the reference, on the same test utterances, folds and seeds.

    Attributes:
        head: its name.
        seeds: those that both have.
        num_speakers: that were tested.
        metrics: ``ua, wa, macro_f1``: head minus reference.
        p_models: None below 8 speakers.
        p_retraining: None where neither head has two different models in any fold, as with one seed.
        p_recipes: None where one of them is.
        p_holm: ``p_recipes`` adjusted for the number of heads.
        significant: by ``p_holm``.
        only_head, only_reference: utterances that only one of them gets right, mean over seeds.
        p_mcnemar: McNemar's, which treats utterances as independent.
    """

    head: str
    seeds: list[int]
    num_speakers: int
    metrics: dict[str, Interval]
    p_models: float | None
    p_retraining: float | None
    p_recipes: float | None
    p_holm: float | None = None
    significant: bool = False
    only_head: float
    only_reference: float
    p_mcnemar: float

    @property
    def one_seed(self) -> bool:
        """Whether nothing can be said of training again."""
        return len(self.seeds) == 1


class Incomparable(Result):
    """A head that cannot be compared with the reference, and why."""

    head: str
    reason: str


def compare_heads(
    predictions: dict[str, pd.DataFrame], classes: dict[str, list[str]], reference: str, settings: EvaluateSettings
) -> list[Comparison | Incomparable]:
    """Compare all heads with the reference.

    Two questions are asked of the difference of the pooled UA. As the number of utterances per class is the same for
    both heads, it is a sum over speakers, and a sum over folds.

    - Do these trained models differ on new speakers? ``p_models``: if not, every speaker's difference could as well
      have had the other sign (`sign_flip_test`). The models are taken as they are.
    - Do the recipes differ on these speakers when trained again? ``p_retraining``: if not, each of a fold's models
      could as well have been the other head's (`exchange_test`). The speakers are taken as they are. A head whose
      seeds all give the same predictions in a fold counts as one model there.

    That the recipes differ, trained again and on new speakers, needs both. ``p_recipes`` is the largest of the two and
    of a sign-flip test that allows for the models that a fold's speakers share (`_allow_for_shared_models`).

    Args:
        predictions: head -> test predictions of all seeds: ``id, speaker, fold, seed, label, predicted``.
        classes: head -> its classes, in any order.
        reference: one of the heads.
        settings: of the bootstrap.

    Returns:
        A row per other head.
    """
    rows: list[Comparison | Incomparable] = []
    for head, own in predictions.items():
        if head != reference:
            reason = _not_comparable(own, predictions[reference], classes[head], classes[reference])
            rows.append(
                Incomparable(head=head, reason=reason)
                if reason
                else _compare(head, own, predictions[reference], sorted(classes[head]), settings)
            )
    tested = [row for row in rows if isinstance(row, Comparison) and row.p_recipes is not None]
    adjusted = dict(zip((row.head for row in tested), holm([row.p_recipes for row in tested]), strict=True))
    return [
        row.model_copy(update={"p_holm": adjusted[row.head], "significant": adjusted[row.head] < SIGNIFICANT})
        if row.head in adjusted
        else row
        for row in rows
    ]


def _not_comparable(own: pd.DataFrame, other: pd.DataFrame, classes: list[str], others: list[str]) -> str | None:
    if set(classes) != set(others):
        return "other classes"
    if set(own["id"]) != set(other["id"]):
        return "other test utterances"
    if _tested(own) != _tested(other):
        return "other folds"
    if not set(own["seed"]) & set(other["seed"]):
        return "no seed in common"
    return None


def _tested(table: pd.DataFrame) -> set[tuple]:
    return set(table[["fold", "id"]].itertuples(index=False, name=None))


def _compare(
    head: str, own: pd.DataFrame, other: pd.DataFrame, classes: list[str], settings: EvaluateSettings
) -> Comparison:
    seeds = sorted(set(own["seed"]) & set(other["seed"]))
    tables = [table[table["seed"].isin(seeds)].sort_values(["seed", "fold", "id"]) for table in (own, other)]
    one, two = (confusions_by_speaker(table, classes) for table in tables)
    differences = {}
    for name in ("ua", "wa", "macro_f1"):
        metric = METRICS[name]
        low, high = difference_bootstrap(one, two, metric, settings.bootstrap, settings.seed)
        difference = metric(one.sum(axis=0)).mean() - metric(two.sum(axis=0)).mean()
        differences[name] = Interval(value=float(difference), low=low, high=high)
    return Comparison(
        head=head,
        seeds=[int(seed) for seed in seeds],
        num_speakers=num_known_speakers(tables[0]),
        metrics=differences,
        **_test(tables, classes),
        **_mcnemar(*tables),
    )


def _test(tables: list[pd.DataFrame], classes: list[str]) -> dict[str, float | None]:
    parts = [_ua_parts(table, classes) for table in tables]
    models = [_models_by_fold(table, of_head) for table, of_head in zip(tables, parts, strict=True)]
    differences = (parts[0] - parts[1]).mean(axis=1).groupby("speaker").sum().to_numpy()
    p: dict[str, float | None] = dict.fromkeys(("p_models", "p_retraining", "p_recipes"))
    if len(differences) >= FEWEST_TO_TEST:
        p["p_models"] = sign_flip_test(differences)
    if any(len(of_fold) > 1 for of_head in models for of_fold in of_head):
        p["p_retraining"] = exchange_test(*models)
    if p["p_models"] is not None and p["p_retraining"] is not None:
        allowing = sign_flip_test(_allow_for_shared_models(differences, parts))
        p["p_recipes"] = max(p["p_models"], p["p_retraining"], allowing)
    return p


def _ua_parts(table: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """What each speaker adds to the pooled UA of each seed: rows (fold, speaker), columns seeds, which sum to it."""
    units = table.groupby(["fold", "speaker"])
    confusions = confusions_by(table.assign(unit=units.ngroup()), ["unit", "seed"], classes)  # [units, seeds, C, C]
    return pd.DataFrame(unweighted_accuracy_parts(confusions), index=units.size().index)


def _models_by_fold(table: pd.DataFrame, parts: pd.DataFrame) -> list[np.ndarray]:
    """What each model of every fold adds to the pooled UA; one value where all seeds give the same predictions."""
    alike = table.groupby(["fold", "id"])["predicted"].nunique().eq(1).groupby("fold").all()
    by_fold = parts.groupby("fold").sum()
    return [row.to_numpy()[: 1 if alike[fold] else None] for fold, row in by_fold.iterrows()]


def _allow_for_shared_models(differences: np.ndarray, parts: list[pd.DataFrame]) -> np.ndarray:
    """Differences of speakers [n], their mean moved towards zero to allow for chance in training.

    Speakers of one fold are tested by the same models, so their differences are not independent: chance in training
    moves them together. Their mean is divided by the square root of the design effect: the variance of their sum,
    covariances within folds included, over the variance that it would have without them. The covariances are
    estimated from the seeds.

    Source: Kish 1965, "Survey Sampling", section 8.2 (design effect).
    """
    covariance = sum(
        (of_head.groupby("fold").sum().var(axis=1).sum() - of_head.var(axis=1).sum()) / of_head.shape[1]
        for of_head in parts
    )
    mean, variance = differences.mean(), len(differences) * differences.var(ddof=1)
    if covariance <= 0:
        return differences
    return differences - mean + mean * np.sqrt(variance / (variance + covariance))


def _mcnemar(own: pd.DataFrame, other: pd.DataFrame) -> dict:
    """Utterances that only one of two heads gets right; the test treats them as independent, which they are not."""
    correct = [(table["label"] == table["predicted"]).to_numpy() for table in (own, other)]
    seeds = own["seed"].nunique()
    only_own, only_other = (int((one & ~two).sum()) for one, two in (correct, correct[::-1]))
    discordant = round((only_own + only_other) / seeds)
    less = round(min(only_own, only_other) / seeds)
    return {
        "only_head": only_own / seeds,
        "only_reference": only_other / seeds,
        "p_mcnemar": float(binomtest(less, discordant).pvalue) if discordant else 1.0,
    }
