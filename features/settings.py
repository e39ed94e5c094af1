"""The parameters of feature sets."""

import difflib
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from data.settings import Settings

COMPUTE_TYPES = ("float32", "bfloat16", "float16")

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
            random weights.
        revision: commit or tag of a Hugging Face id.
        layers: which hidden states to store: 0 is the input of the transformer, 12 the last layer of the base size.
        storage: element type of the stored frames; ``int8`` keeps an offset and a scale per utterance and dimension,
            and takes half of the bytes.
        compute_dtype: the encoder's arithmetic. A named type is kept to. ``auto`` takes what is there: first the type
            of the current features, then this machine's own (bfloat16 where the processor has it), then any.
        pad: encoders of raw waveforms only. ``after`` (null means the same) encodes every clip at its own length;
            ``before`` fills it up with zeros first, as the original did, which changes the frames of the speech itself.
        context: Whisper only. ``clip`` (null means the same) encodes the clip's own mel frames; ``full`` fills up the
            30 s that it was trained on with zeros, and encodes all of them.
    """

    kind: Literal["ssl"] = "ssl"
    clips: str
    checkpoint: Annotated[str, Field(min_length=1), AfterValidator(_checkpoint_name)] = "facebook/hubert-base-ls960"
    revision: str | None = None
    layers: Annotated[list[Annotated[int, Field(ge=0, le=48)]], Field(min_length=1)] | Literal["all"] = [12]
    storage: Literal["float16", "int8"] = "float16"
    compute_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    pad: Literal["after", "before"] | None = None
    context: Literal["clip", "full"] | None = None

    @model_validator(mode="after")
    def _layers_exist(self):
        if is_untrained(self.checkpoint) and self.layers != "all":
            depth = untrained_parts(self.checkpoint)[1]
            if max(self.layers) > depth:
                raise ValueError(f"layers: {self.checkpoint} has layers 0 to {depth}, not {max(self.layers)}")
        return self

    @model_validator(mode="after")
    def _pad_or_context(self):
        if self.pad and self.context:
            raise ValueError("pad is for encoders of raw waveforms and context for Whisper; leave one of them out")
        if self.context and is_untrained(self.checkpoint):
            raise ValueError(f"context is for Whisper, and {self.checkpoint} is HuBERT; use pad")
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
