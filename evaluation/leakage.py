"""How much of the speaker is left in an embedding: what adversarial training aims to lower.

A linear classifier identifies the speakers that a fold's head has not been trained on, among those of the same corpus,
session and gender: what identifies the room or the gender is not the voice. It is fitted and tested on different
utterances (different dialogues, where the corpus names them) of the same speakers.
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
from data.roles import fold_columns, shared_speakers
from evaluation.results import FoldProbe, Leakage, SpeakerProbe
from evaluation.runs import HeadRuns
from features.store import FeatureSet

_CUTS = 5  # of the cross-validation
_LARGEST_DIMENSION = 128
_SMALLEST_VARIATION = 1e-5  # of the largest, per direction; below it is rounding


def probe_runs(runs: HeadRuns, features: FeatureSet, splits: pd.DataFrame, seed: int) -> Leakage | None:
    """Probe every fold of a head.

    Args:
        runs: what was trained.
        features: what it was trained on.
        splits: the roles, with corpus, speaker, gender, session and dialogue.
        seed: of the cross-validation.

    Returns:
        The folds that could be probed; where any could be within session and gender, others are left out. None where
        none could, or where a speaker plays two roles in some fold: the head may have been trained on that speaker.
    """
    if any(shared_speakers(splits["speaker"], splits[column]) for column in fold_columns(splits)):
        return None
    known = splits.set_index("id")[["corpus", "speaker", "gender", "session", "dialog"]]
    seeds = sorted(runs.runs["seed"].unique())
    probed = []
    for fold in sorted(runs.runs["fold"].unique()):
        ids = runs.run(fold, seeds[0])["id"]
        raw = np.stack([features.mean_frame(identifier, runs.config["layers"]) for identifier in ids])
        embeddings = {training_seed: runs.embeddings(fold, training_seed) for training_seed in seeds}
        probed.append(probe_fold(int(fold), known.loc[ids].rename_axis("id").reset_index(), embeddings, raw, seed))
    per_fold = [result for result in probed if result]
    if not per_fold:
        return None
    within = any(result.within for result in per_fold)
    per_fold = [result for result in per_fold if result.within == within]
    mean = {name: float(np.mean([getattr(result, name) for result in per_fold])) for name in SpeakerProbe.model_fields}
    return Leakage(within=within, mean=SpeakerProbe(**mean), per_fold=per_fold)


def probe_fold(
    fold: int, utterances: pd.DataFrame, embeddings: dict[int, np.ndarray], raw: np.ndarray, seed: int
) -> FoldProbe | None:
    """Probe one fold.

    Args:
        fold: its number.
        utterances: its validation and test utterances, with ``corpus, speaker, gender, session, dialog`` [N].
        embeddings: training seed -> embeddings [N, E].
        raw: pooled raw features [N, D] of the same utterances.
        seed: of the cross-validation.

    Returns:
        Whether speakers were identified within their corpus, session and gender, as far as the corpus names them (if no
        session has two of a gender, they were among all), and the balanced accuracies: of the embedding the mean over
        training seeds. Both inputs are reduced to the same dimension by PCA, fitted on the classifier's own training
        part. Within session and gender, the mean over their cells, weighted by speakers. None where it cannot be
        measured: one speaker, or a speaker with one dialogue.
    """
    cells = _cells(utterances)
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
    embedding, raw_accuracy = (
        float(np.average([row[name] for row in rows], weights=weights)) for name in ("embedding", "raw")
    )
    return FoldProbe(
        fold=fold,
        within=within,
        embedding=embedding,
        raw=raw_accuracy,
        session_gender=session_gender,
        chance=chance,
        speakers=sum(weights),
        dimension=min(row["dimension"] for row in rows),
    )


def _cells(utterances: pd.DataFrame) -> np.ndarray:
    """Numbers of the cells of corpus, session and gender [N]; the last two count where the corpus names all of them."""
    corpus = utterances["corpus"]
    columns = [corpus]
    for column in ("session", "gender"):
        complete = (utterances[column] != "").groupby(corpus).transform("all")
        columns.append(utterances[column].where(complete, ""))
    return pd.concat(columns, axis="columns").groupby(["corpus", "session", "gender"]).ngroup().to_numpy()


def _identify(
    utterances: pd.DataFrame, embeddings: dict[int, np.ndarray], raw: np.ndarray, chosen: np.ndarray, seed: int
) -> dict | None:
    """Tell the speakers of the chosen utterances apart; None where there is one, or one with a single dialogue."""
    utterances, raw = utterances[chosen], raw[chosen]
    speakers = utterances["speaker"].to_numpy()
    names = np.unique(speakers)
    groups = _units_kept_together(utterances)
    units = pd.Series(groups).groupby(speakers).nunique()
    num_cuts = min(_CUTS, int(units.min()))
    if len(names) < 2 or num_cuts < 2:
        return None
    cut = list(StratifiedGroupKFold(num_cuts, shuffle=True, random_state=seed).split(raw, speakers, groups))
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


def _rank(values: np.ndarray) -> int:
    """In how many directions values [N, D] differ; 1 where all are the same."""
    return max(1, int(np.linalg.matrix_rank(values - values.mean(axis=0), rtol=_SMALLEST_VARIATION)))


def _units_kept_together(utterances: pd.DataFrame) -> np.ndarray:
    """Dialogues, where all utterances have one; else single utterances."""
    dialogs = utterances["dialog"]
    return (dialogs if (dialogs != "").all() else utterances["id"]).to_numpy()


def _balanced_accuracy(values: np.ndarray, speakers: np.ndarray, cut: list, dimension: int) -> float:
    classifier = make_pipeline(
        StandardScaler(),
        PCA(min(dimension, *(_rank(values[fitted]) for fitted, _ in cut)), random_state=0),
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
