"""How much of the speaker is left in an embedding: what adversarial training aims to lower.

A linear classifier tells the speakers apart that a fold's head has not been trained on. It is fitted and tested on
different utterances (different dialogues, where the corpus names them) of the same speakers.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from evaluation.runs import HeadRuns
from features.store import FeatureSet

_PARTS = 5
_LARGEST_DIMENSION = 128


def probe_runs(runs: HeadRuns, features: FeatureSet, manifest: pd.DataFrame, seed: int) -> dict | None:
    """Probe every fold of a head.

    Args:
        runs: what was trained.
        features: what it was trained on.
        manifest: speaker, gender and dialogue of all utterances.
        seed: of the cross-validation.

    Returns:
        ``per_fold``: `probe_fold`'s results, with ``fold``; ``mean``: of its balanced accuracies over folds; None
        where no fold can be probed.
    """
    known = manifest.set_index("id")[["speaker", "gender", "dialog"]]
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
    mean = {name: _mean_or_none([row[name] for row in per_fold]) for name in ("embedding", "raw", "gender", "chance")}
    return {"per_fold": per_fold, "mean": mean}


def probe_fold(
    utterances: pd.DataFrame, embeddings: dict[int, np.ndarray], raw: np.ndarray, seed: int
) -> dict[str, float | int | None] | None:
    """Probe one fold.

    Args:
        utterances: the fold's validation and test utterances, with ``speaker, gender, dialog`` [N].
        embeddings: training seed -> embeddings [N, E].
        raw: pooled raw features [N, D] of the same utterances.
        seed: of the cross-validation.

    Returns:
        Balanced accuracies: ``embedding`` (mean over training seeds), ``raw``, ``gender`` (the best that is possible
        when only the gender is known; None where the corpus does not name it), ``chance``; ``speakers`` and
        ``dimension``, to which both inputs are reduced by PCA, fitted on the classifier's own training part. None
        where it cannot be measured: one speaker, or a speaker with one dialogue.
    """
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
    genders = utterances.groupby("speaker")["gender"].first()
    known = bool((genders != "").all())
    return {
        "embedding": float(
            np.mean([_balanced_accuracy(values, speakers, cut, dimension) for values in embeddings.values()])
        ),
        "raw": _balanced_accuracy(raw, speakers, cut, dimension),
        "gender": genders.nunique() / len(names) if known else None,
        "chance": 1 / len(names),
        "speakers": len(names),
        "dimension": dimension,
    }


def _mean_or_none(values: list[float | None]) -> float | None:
    return None if None in values else float(np.mean(values))


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
        predicted = cross_val_predict(classifier, values, speakers, cv=cut)
    return float(balanced_accuracy_score(speakers, predicted))
