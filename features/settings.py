"""The parameters of feature sets."""

import difflib
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from data.settings import Settings

_UNTRAINED = re.compile(r"untrained(?::(?P<seed>\d{1,9})(?:,layers=(?P<layers>\d{1,2}))?)?")


def _checkpoint_name(name: str) -> str:
    if difflib.get_close_matches(name, ["untrained"], cutoff=0.8) and not name.startswith("untrained"):
        raise ValueError("did you mean 'untrained'?")
    if name.startswith("untrained") and not _UNTRAINED.fullmatch(name):
        raise ValueError("expected 'untrained', 'untrained:<seed>' or 'untrained:<seed>,layers=<number>'")
    return name


class SslSettings(Settings):
    """One feature set of ``kind: ssl``.

    Attributes:
        clips: the recipe of ``clips`` to encode.
        checkpoint: a Hugging Face id, a local folder, or ``untrained[:seed[,layers=n]]``: HuBERT-base with seeded
            random weights. A local folder is known by its name: give changed weights a new one, or ``dvc repro -f``.
        revision: commit or tag of a Hugging Face id.
        layers: which hidden states to store: 0 is the input of the transformer, 12 the last layer of the base size.
        storage: element type of the stored frames; ``int8`` keeps a scale per frame and layer, and half of the bytes.
        pad: ``after`` encodes every clip at its own length; ``before`` fills it up with zeros first, as the original
            did, which changes the frames of the speech itself.
    """

    kind: Literal["ssl"] = "ssl"
    clips: str
    checkpoint: Annotated[str, Field(min_length=1), AfterValidator(_checkpoint_name)] = "facebook/hubert-base-ls960"
    revision: str | None = None
    layers: Annotated[list[Annotated[int, Field(ge=0, le=48)]], Field(min_length=1)] | Literal["all"] = [12]
    storage: Literal["float16", "int8"] = "float16"
    pad: Literal["after", "before"] = "after"

    @model_validator(mode="after")
    def _layers_exist(self):
        if is_untrained(self.checkpoint) and self.layers != "all":
            depth = untrained_parts(self.checkpoint)[1]
            if max(self.layers) > depth:
                raise ValueError(f"layers: {self.checkpoint} has layers 0 to {depth}, not {max(self.layers)}")
        return self

    def known_layers(self) -> list[int] | None:
        """The layers that are stored, in order; None for ``all`` of an encoder whose depth is not known here."""
        if self.layers != "all":
            return sorted(set(self.layers))
        return list(range(untrained_parts(self.checkpoint)[1] + 1)) if is_untrained(self.checkpoint) else None


def is_untrained(checkpoint: str) -> bool:
    """Whether a checkpoint's name stands for random weights."""
    return _UNTRAINED.fullmatch(checkpoint) is not None


def untrained_parts(checkpoint: str) -> tuple[int, int]:
    """``untrained[:seed[,layers=n]]`` -> seed (0) and number of layers (12)."""
    parts = _UNTRAINED.fullmatch(checkpoint)
    return int(parts["seed"] or 0), int(parts["layers"] or 12)
