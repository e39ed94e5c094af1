"""UA, WA and macro-F1 of predictions during training, as history.csv names them."""

import numpy as np
from sklearn.metrics import precision_recall_fscore_support


def scores(role: str, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """``<role>_ua``, ``<role>_wa`` and ``<role>_macro_f1`` of predicted class indices [N]."""
    present = np.unique(labels)
    _, recall, f1, _ = precision_recall_fscore_support(labels, predicted, labels=present, zero_division=0)
    return {
        f"{role}_ua": float(recall.mean()),
        f"{role}_wa": float((labels == predicted).mean()),
        f"{role}_macro_f1": float(f1.mean()),
    }
