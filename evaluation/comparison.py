"""Every head against one reference head, on the same speakers and seeds."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from evaluation.metrics import METRICS, confusions_by, unweighted_accuracy
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEWEST_TO_TEST, difference_bootstrap, holm, sign_flip_test

SIGNIFICANT = 0.05


def compare_heads(
    predictions: dict[str, pd.DataFrame], classes: dict[str, list[str]], reference: str, settings: EvaluateSettings
) -> list[dict]:
    """Compare all heads with the reference.

    The test is of the pooled UA itself: as the number of utterances per class is the same for both heads, it is a sum
    over speakers, and their signs are flipped.

    Args:
        predictions: head -> test predictions of all seeds: ``id, speaker, fold, seed, label, predicted``.
        classes: head -> its classes, in any order.
        reference: one of the heads.
        settings: of the bootstrap.

    Returns:
        A row per other head: ``head, seeds, speakers``, ``ua, wa, macro_f1`` (differences, head minus reference) with
        ``_low`` and ``_high``, ``p`` and ``p_holm`` (None below 8 speakers), ``significant``, and McNemar's
        ``only_head``, ``only_reference`` (utterances that only one of them gets right, mean over seeds) and
        ``p_mcnemar``. Where the two cannot be compared: ``head`` and ``why``.
    """
    rows = []
    for head, own in predictions.items():
        if head != reference:
            why = _not_comparable(own, predictions[reference], classes[head], classes[reference])
            rows.append(
                {"head": head, "why": why}
                if why
                else {"head": head, **_compare(own, predictions[reference], sorted(classes[head]), settings)}
            )
    tested = [row for row in rows if row.get("p") is not None]
    for row, p_holm in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row |= {"p_holm": p_holm, "significant": p_holm < SIGNIFICANT}
    return rows


def _not_comparable(own: pd.DataFrame, other: pd.DataFrame, classes: list[str], others: list[str]) -> str | None:
    if set(classes) != set(others):
        return "other classes"
    if set(own["id"]) != set(other["id"]):
        return "other test utterances"
    if not set(own["seed"]) & set(other["seed"]):
        return "no seed in common"
    return None


def _compare(own: pd.DataFrame, other: pd.DataFrame, classes: list[str], settings: EvaluateSettings) -> dict:
    seeds = sorted(set(own["seed"]) & set(other["seed"]))
    tables = [table[table["seed"].isin(seeds)].sort_values(["seed", "fold", "id"]) for table in (own, other)]
    one, two = (confusions_by(table, ["speaker", "seed"], classes) for table in tables)
    result = {"seeds": seeds, "speakers": len(one)}
    for name in ("ua", "wa", "macro_f1"):
        metric = METRICS[name]
        low, high = difference_bootstrap(one, two, metric, settings.bootstrap, settings.seed)
        difference = metric(one.sum(axis=0)).mean() - metric(two.sum(axis=0)).mean()
        result |= {name: float(difference), f"{name}_low": low, f"{name}_high": high}
    enough = len(one) >= FEWEST_TO_TEST
    result |= {"p": sign_flip_test(_ua_by_speaker(one) - _ua_by_speaker(two)) if enough else None}
    return {**result, "p_holm": None, "significant": False, **_mcnemar(*tables)}


def _ua_by_speaker(confusions: np.ndarray) -> np.ndarray:
    """Each speaker's part [speakers] of the pooled UA, mean over seeds; they sum to it."""
    pooled = confusions.sum(axis=0)  # [seeds, C, C]
    support = pooled.sum(axis=-1)
    correct = np.diagonal(confusions, axis1=-2, axis2=-1)  # [speakers, seeds, C]
    shares = np.divide(correct, support, out=np.zeros(correct.shape), where=support > 0)
    parts = (shares.sum(axis=-1) / (support > 0).sum(axis=-1)).mean(axis=-1)
    assert np.isclose(parts.sum(), unweighted_accuracy(pooled).mean())
    return parts


def _mcnemar(own: pd.DataFrame, other: pd.DataFrame) -> dict:
    """Utterances that only one of two heads gets right; it takes them for independent, which they are not."""
    right = [(table["label"] == table["predicted"]).to_numpy() for table in (own, other)]
    seeds = own["seed"].nunique()
    only_own, only_other = (int((one & ~two).sum()) for one, two in (right, right[::-1]))
    discordant = round((only_own + only_other) / seeds)
    less = round(min(only_own, only_other) / seeds)
    return {
        "only_head": only_own / seeds,
        "only_reference": only_other / seeds,
        "p_mcnemar": float(binomtest(less, discordant).pvalue) if discordant else 1.0,
    }
