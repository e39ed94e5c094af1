"""Whether a local checkpoint folder still holds the weights that features were made with."""

from pathlib import Path

import torch

from data.errors import UserError
from features.kinds import open_encoder, version_line
from features.settings import KindSettings
from features.store import FeatureSet


def check_checkpoint(settings: KindSettings, features: FeatureSet, known: Path) -> None:
    """Refuse features whose checkpoint is a local folder that has changed since.

    DVC does not look into the folder. A folder that is not here, as on a colleague's machine, is no error.

    Args:
        settings: of the feature set, as params.yaml has them.
        features: the set.
        known: folder of notes of encoders' digests; extended here, so that an encoder is not loaded each time.

    Raises:
        UserError: naming the command that makes the features again.
    """
    folder = settings.checkpoint_folder
    if folder is None:
        return
    weights = encoder_digest(settings, known)
    if weights != features.recipe["weights"]:
        before = features.recipe["weights"]
        raise UserError(
            f"{features.folder} was made with other weights ({before[:12]}) than {folder} holds now ({weights[:12]}). "
            f"Make the features again: dvc repro --force --single-item {' '.join(features.stages)}; "
            "or put the old weights back."
        )


def encoder_digest(settings: KindSettings, known: Path) -> str:
    """The digest of a local checkpoint's encoder: looked up by the folder's files, or found by loading it."""
    import transformers  # takes a while, and most feature sets have no local checkpoint

    from features.checkpoints import folder_digest

    version = version_line(settings).strip().replace(" ", "-")
    note = known / f"{folder_digest(settings.checkpoint_folder)}-{version}-{transformers.__version__}"
    if not note.exists():
        encoder = open_encoder(settings.model_copy(update={"layers": [0]}), torch.device("cpu"))
        known.mkdir(parents=True, exist_ok=True)
        partial = note.with_name(f"{note.name}.partial")
        partial.write_text(encoder.weights)
        partial.replace(note)
    return note.read_text()
