"""UA, WA and macro-F1 of predictions during training, as history.csv names them."""

import numpy as np

from data.metrics import confusion_matrix, macro_f1, unweighted_accuracy, weighted_accuracy


def scores(role: str, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """``<role>_ua``, ``<role>_wa`` and ``<role>_macro_f1`` of predicted class indices [N]."""
    confusion = confusion_matrix(labels, predicted, 1 + int(max(labels.max(), predicted.max())))
    return {
        f"{role}_ua": float(unweighted_accuracy(confusion)),
        f"{role}_wa": float(weighted_accuracy(confusion)),
        f"{role}_macro_f1": float(macro_f1(confusion)),
    }
