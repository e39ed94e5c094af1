"""How much of the speaker is left in an embedding: what adversarial training aims to lower.

A linear classifier tells the speakers apart that a fold's head has not been trained on, among those of the same
session and gender: what names the room or the gender is no voice. It is fitted and tested on different utterances
(different dialogues, where the corpus names them) of the same speakers.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from data.metrics import confusion_matrix, unweighted_accuracy
from data.roles import fold_columns
from data.splits import shared_speakers
from evaluation.runs import HeadRuns
from features.store import FeatureSet

_ACCURACIES = ("embedding", "raw", "session_gender", "chance")
_PARTS = 5
_LARGEST_DIMENSION = 128


def probe_runs(
    runs: HeadRuns, features: FeatureSet, manifest: pd.DataFrame, splits: pd.DataFrame, seed: int
) -> dict | None:
    """Probe every fold of a head.

    Args:
        runs: what was trained.
        features: what it was trained on.
        manifest: speaker, gender, session and dialogue of all utterances.
        splits: the roles of all utterances, with ``speaker``.
        seed: of the cross-validation.

    Returns:
        ``per_fold``: `probe_fold`'s results, with ``fold``; ``mean``: of its accuracies over folds; ``within``, which
        is the same in all of them: where any fold can be probed within session and gender, others are left out.
        None where no fold can be probed, or where a speaker plays two roles in some fold: the head may have been
        trained on that speaker.
    """
    if any(shared_speakers(splits["speaker"], splits[column]) for column in fold_columns(splits)):
        return None
    known = manifest.set_index("id")[["speaker", "gender", "session", "dialog"]]
    seeds = sorted(runs.runs["seed"].unique())
    per_fold = []
    for fold in sorted(runs.runs["fold"].unique()):
        ids = runs.run(fold, seeds[0])["id"]
        raw = np.stack([features.mean_frame(identifier, runs.config["layers"]) for identifier in ids])
        embeddings = {each: runs.embeddings(fold, each) for each in seeds}
        utterances = known.loc[ids].rename_axis("id").reset_index()
        if result := probe_fold(utterances, embeddings, raw, seed):
            per_fold.append({"fold": int(fold), **result})
    if not per_fold:
        return None
    within = any(row["within"] for row in per_fold)
    per_fold = [row for row in per_fold if row["within"] == within]
    mean = {name: float(np.mean([row[name] for row in per_fold])) for name in _ACCURACIES}
    return {"within": within, "per_fold": per_fold, "mean": mean}


def probe_fold(utterances: pd.DataFrame, embeddings: dict[int, np.ndarray], raw: np.ndarray, seed: int) -> dict | None:
    """Probe one fold.

    Args:
        utterances: the fold's validation and test utterances, with ``speaker, gender, session, dialog`` [N].
        embeddings: training seed -> embeddings [N, E].
        raw: pooled raw features [N, D] of the same utterances.
        seed: of the cross-validation.

    Returns:
        ``within``: whether speakers were told apart within their session and gender, as far as the corpus names
        them; if no session has two of a gender, they were among all. Balanced accuracies: ``embedding`` (mean over
        training seeds), ``raw``, ``session_gender`` (the best that is possible when only these two are known),
        ``chance``; ``speakers`` and ``dimension``, to which both inputs are reduced by PCA, fitted on the
        classifier's own training part. Within session and gender, the mean over their cells, weighted by speakers.
        None where it cannot be measured: one speaker, or a speaker with one dialogue.
    """
    named = [column for column in ("session", "gender") if (utterances[column] != "").all()]
    cells = utterances.groupby(named).ngroup().to_numpy() if named else np.zeros(len(utterances), int)
    probed = [_identify(utterances, embeddings, raw, cells == cell, seed) for cell in np.unique(cells)]
    rows = [row for row in probed if row]
    if within := bool(rows):
        chance = session_gender = len(rows) / sum(row["speakers"] for row in rows)
    elif row := _identify(utterances, embeddings, raw, np.full(len(utterances), True), seed):
        rows = [row]
        chance, session_gender = 1 / row["speakers"], len(np.unique(cells)) / row["speakers"]
    else:
        return None
    weights = [row["speakers"] for row in rows]
    return {
        "within": within,
        **{name: float(np.average([row[name] for row in rows], weights=weights)) for name in ("embedding", "raw")},
        "session_gender": session_gender,
        "chance": chance,
        "speakers": sum(weights),
        "dimension": min(row["dimension"] for row in rows),
    }


def _identify(
    utterances: pd.DataFrame, embeddings: dict[int, np.ndarray], raw: np.ndarray, chosen: np.ndarray, seed: int
) -> dict | None:
    """Tell the speakers of the chosen utterances apart; None where there is one, or one with a single dialogue."""
    utterances, raw = utterances[chosen], raw[chosen]
    speakers = utterances["speaker"].to_numpy()
    names = np.unique(speakers)
    groups = _units_kept_together(utterances)
    units = pd.Series(groups).groupby(speakers).nunique()
    parts = min(_PARTS, int(units.min()))
    if len(names) < 2 or parts < 2:
        return None
    cut = list(StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(raw, speakers, groups))
    if any(set(speakers[fitted]) != set(names) for fitted, _ in cut):
        return None
    widths = [raw.shape[1], *(values.shape[1] for values in embeddings.values())]
    dimension = min(_LARGEST_DIMENSION, *widths, *(len(fitted) - 1 for fitted, _ in cut))
    accuracies = [_balanced_accuracy(values[chosen], speakers, cut, dimension) for values in embeddings.values()]
    return {
        "embedding": np.mean(accuracies),
        "raw": _balanced_accuracy(raw, speakers, cut, dimension),
        "speakers": len(names),
        "dimension": dimension,
    }


def _units_kept_together(utterances: pd.DataFrame) -> np.ndarray:
    """Dialogues, where all utterances have one; else every utterance for itself."""
    dialogs = utterances["dialog"]
    return (dialogs if (dialogs != "").all() else utterances["id"]).to_numpy()


def _balanced_accuracy(values: np.ndarray, speakers: np.ndarray, cut: list, dimension: int) -> float:
    classifier = make_pipeline(
        StandardScaler(),
        PCA(dimension, random_state=0),
        StandardScaler(),
        LogisticRegression(max_iter=300, class_weight="balanced"),
    )
    with warnings.catch_warnings(), threadpool_limits(1):  # matrices too small to share among threads
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # PCA of embeddings that are all the same
        predicted = cross_val_predict(classifier, values, speakers, cv=cut)
    names = np.unique(speakers)
    actual, answered = (np.searchsorted(names, values) for values in (speakers, predicted))
    return float(unweighted_accuracy(confusion_matrix(actual, answered, len(names))))
