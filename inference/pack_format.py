"""What a packed model consists of: ``pack.json``, as types, and the names of the files beside it.

A pack is a folder, or a zip of one::

    README.md                                  the model card
    pack.json                                  everything but the weights, and the SHA-256 of every other file
    runs/fold-0-seed-1/model.safetensors       weights and standardisation, once for every run
    runs/fold-0-seed-1/config.json             as `training.checkpoint.load_head` reads it
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from data.digest import bytes_digest
from data.errors import UserError
from data.settings import Settings
from features.kinds import FeatureSettings

FORMAT = "emocache-pack"
FORMAT_VERSION = 1
PACK_FILE = "pack.json"
CARD_FILE = "README.md"
RUN_FILES = ("config.json", "model.safetensors")

_FILE_NAME = re.compile(rf"runs/[\w-]+/({'|'.join(map(re.escape, RUN_FILES))})|{re.escape(CARD_FILE)}", re.ASCII)


class PackedFile(Settings):
    """A file of a pack: its size in bytes, and its SHA-256."""

    bytes: int
    sha256: str


class PackedRun(Settings):
    """A run: its name, such as ``fold-0/seed-1``, its folder in the pack, and its temperature (1 changes nothing)."""

    name: str
    folder: str
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class PackedEncoder(Settings):
    """The encoder that a head needs.

    Attributes:
        name: a Hugging Face id, ``untrained...``, the kind of features without weights, or the name of a folder.
        is_folder: whether it was a local folder, which only its name is known of.
        revision: of a Hugging Face id, the commit.
        weights: SHA-256 of its weights, configuration and input scaling; None of features without weights.
    """

    name: str
    is_folder: bool = False
    revision: str | None = None
    weights: str | None = None


class PackDescription(Settings):
    """pack.json.

    Attributes:
        format, format_version: `FORMAT`, `FORMAT_VERSION`.
        name: of the head.
        classes: in the order of the outputs; empty where ratings are predicted.
        targets: the ratings; empty where classes are predicted.
        features: the settings of the feature set, as params.yaml has them; of the encoder see ``encoder``.
        encoder: what computes the features.
        runs: at least one.
        card: the figures of the model card.
        files: every other file of the pack, by its name.
    """

    format: Literal["emocache-pack"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    name: str
    classes: list[str] = []
    targets: list[str] = []
    features: FeatureSettings
    encoder: PackedEncoder
    runs: list[PackedRun]
    card: dict[str, Any] = {}
    files: dict[str, PackedFile]

    def text(self) -> str:
        """The content of pack.json: the same for the same description, with a digest of itself."""
        content = self.model_dump(mode="json")
        return json.dumps({**content, "digest": _digest(content)}, indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_description(text: str | bytes, where: str) -> PackDescription:
    """Read what `PackDescription.text` wrote.

    Args:
        text: of pack.json.
        where: the pack, for messages.

    Raises:
        UserError: it is damaged, of another format, or of a newer version.
    """
    damaged = UserError(f"{where}: {PACK_FILE} is damaged. Copy or download the pack again.")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{where}: {PACK_FILE} is not that of a packed model, which `ser pack` writes.")
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise UserError(
            f"{where}: packed by a newer emocache (format {version}; this one reads {FORMAT_VERSION}). Update emocache."
        )
    digest = content.pop("digest", None)
    if digest != _digest(content):
        raise damaged
    try:
        description = PackDescription.model_validate(content)
    except ValidationError:
        raise damaged from None
    if not description.runs or not all(_FILE_NAME.fullmatch(name) for name in description.files):
        raise damaged
    for run in description.runs:
        if any(f"{run.folder}/{name}" not in description.files for name in RUN_FILES):
            raise damaged
    return description


def _digest(content: dict) -> str:
    return bytes_digest(json.dumps(content, sort_keys=True).encode())
