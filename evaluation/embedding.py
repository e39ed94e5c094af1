"""A head's embedding in two dimensions."""

import numpy as np
import pandas as pd
from sklearn.manifold import TSNE

_MOST_POINTS = 1500
_PERPLEXITY = 30


def two_dimensions(utterances: pd.DataFrame, embeddings: np.ndarray, seed: int) -> pd.DataFrame:
    """t-SNE of one run's embeddings; other runs have other spaces, and do not belong in the same picture.

    Args:
        utterances: ``id, role, speaker, corpus, label`` [N].
        embeddings: [N, E].
        seed: of t-SNE, and of the choice of points where there are more than 1,500.

    Returns:
        ``x, y, emotion, speaker, corpus, role, id``, a row per point; none of fewer than five utterances, or of a head
        whose embedding is the same for all.

    Source: van der Maaten and Hinton 2008, "Visualizing Data using t-SNE".
    """
    count = len(utterances)
    chosen = np.sort(np.random.default_rng(seed).permutation(count)[:_MOST_POINTS])
    rows, points = utterances.iloc[chosen], embeddings[chosen]
    if len(rows) < 5 or (points.std(axis=0) > 1e-6).sum() < 2:  # or the same embedding for all
        positions = np.empty((0, 2))
        rows = rows.iloc[:0]
    else:
        perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
        scaled = (points - points.mean(axis=0)) / (points.std(axis=0) + 1e-8)
        positions = TSNE(perplexity=perplexity, init="pca", random_state=seed, max_iter=500).fit_transform(scaled)
    columns = {"x": positions[:, 0], "y": positions[:, 1], "emotion": rows["label"].to_numpy()}
    return pd.DataFrame({**columns, **{name: rows[name].to_numpy() for name in ("speaker", "corpus", "role", "id")}})
