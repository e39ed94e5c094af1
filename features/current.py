"""Whether a local checkpoint folder still holds the weights that features were made with."""

from pathlib import Path

import torch
import transformers

from data.errors import UserError
from features.checkpoints import folder_digest
from features.settings import SslSettings
from features.ssl import open_encoder
from features.store import FeatureSet

_VERSION = Path(__file__).with_name("VERSION")


def check_checkpoint(settings: SslSettings, features: FeatureSet, known: Path) -> None:
    """Refuse features whose checkpoint is a local folder that has changed since.

    DVC does not look into the folder. A folder that is not here, as on a colleague's machine, is no error.

    Args:
        settings: of the feature set, as params.yaml has them.
        features: the set.
        known: folder of notes of encoders' digests; extended here, so that an encoder is not loaded each time.

    Raises:
        UserError: naming the command that makes the features again.
    """
    folder = Path(settings.checkpoint)
    if not folder.is_dir():
        return
    weights = encoder_digest(settings, known)
    if weights != features.recipe["weights"]:
        name, before = features.folder.name, features.recipe["weights"]
        raise UserError(
            f"{features.folder} was made with other weights ({before[:12]}) than {folder} holds now ({weights[:12]}). "
            f"Make the features again: dvc repro --force --single-item extract@{name}; or put the old weights back."
        )


def encoder_digest(settings: SslSettings, known: Path) -> str:
    """The digest of a local checkpoint's encoder: looked up by the folder's files, or found by loading it."""
    version = _VERSION.read_text().strip()
    note = known / f"{folder_digest(Path(settings.checkpoint))}-{version}-{transformers.__version__}"
    if not note.exists():
        encoder = open_encoder(settings.model_copy(update={"layers": [0]}), torch.device("cpu"))
        known.mkdir(parents=True, exist_ok=True)
        partial = note.with_name(f"{note.name}.partial")
        partial.write_text(encoder.weights)
        partial.replace(note)
    return note.read_text()
