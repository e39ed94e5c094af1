"""Several corpora as one: their manifests joined, with names that no two of them share."""

from collections.abc import Mapping
from functools import partial

import pandas as pd

from data.votes import qualify_votes

QUALIFIED = ("id", "speaker", "session", "dialog", "emotion")


def join_manifests(manifests: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Join the manifests of several corpora.

    What names something within its corpus is qualified by the corpus, so that it is unique: utterance
    ``emodb:03a01Fa`` is spoken by ``emodb:03`` and has the code ``emodb:F``, also in
    votes. Empty cells stay empty.

    Args:
        manifests: corpus -> its manifest; the result does not depend on their order.

    Returns:
        A column ``corpus``, then those of the manifests, sorted by corpus and id.
    """
    parts = []
    for corpus, manifest in sorted(manifests.items()):
        qualified = {column: qualify(corpus, manifest[column]) for column in QUALIFIED}
        qualified["votes"] = manifest["votes"].map(partial(qualify_votes, corpus))
        parts.append(manifest.assign(**qualified).assign(corpus=corpus))
    joined = pd.concat(parts, ignore_index=True)
    return joined[["corpus", *(column for column in joined if column != "corpus")]]


def join_folds(folds: Mapping[str, pd.DataFrame | None]) -> pd.DataFrame | None:
    """Join the folds that several corpora bring, number by number; where a corpus has fewer, its cells are empty.

    Args:
        folds: corpus -> ``id, fold`` or ``id, fold_0, fold_1, ...``; None for a corpus without any.

    Returns:
        The same with the joined corpora's ids; None if no corpus has folds.
    """
    parts = [
        table.assign(id=qualify(corpus, table["id"])) for corpus, table in sorted(folds.items()) if table is not None
    ]
    return pd.concat(parts, ignore_index=True).fillna("") if parts else None


def qualify(corpus: str, names: pd.Series) -> pd.Series:
    """``<corpus>:<name>`` for every name; empty ones stay empty."""
    return (corpus + ":" + names).where(names != "", "")
