"""Whether a solver can train a head; known without the solvers, which take seconds to import."""

from models.building import head_class
from models.head import HeadSettings
from training.settings import TrainingSettings


def is_convex(head: HeadSettings, training: TrainingSettings) -> bool:
    """Whether a head's loss is that of a linear layer with an L2 penalty, and a solver can find its minimum.

    The loss is the plain, or class-weighted, cross-entropy, or the squared error of ratings.
    """
    plain = not (training.adversarial_weight or training.augment or training.label_smoothing)
    solvable = training.loss not in ("ccc", "ccc_mse") and training.sampling == "shuffled"
    return plain and solvable and head_class(head).l2_strengths(head) is not None
