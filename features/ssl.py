"""``kind: ssl``: hidden states of a frozen speech encoder, self-supervised (or, Whisper, weakly supervised)."""

import difflib
import re
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field, model_validator

from features.encoder import Encoder
from features.settings import KindSettings

VERSION = 2  # raise it when the bytes of these features change on purpose: all of this kind are then encoded again

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_UNTRAINED = re.compile(r"untrained(?::(?P<seed>\d{1,9})(?:,layers=(?P<layers>\d{1,2}))?)?")


def _checkpoint_name(name: str) -> str:
    if difflib.get_close_matches(name, ["untrained"], cutoff=0.8) and not name.startswith("untrained"):
        raise ValueError("did you mean 'untrained'?")
    if name.startswith("untrained") and not _UNTRAINED.fullmatch(name):
        raise ValueError("expected 'untrained', 'untrained:<seed>' or 'untrained:<seed>,layers=<number>'")
    return name


class SslSettings(KindSettings):
    """One feature set of ``kind: ssl``.

    Attributes:
        checkpoint: a Hugging Face id, a local folder, or ``untrained[:seed[,layers=n]]``: HuBERT-base with seeded
            random weights.
        revision: commit or tag of a Hugging Face id.
        layers: which hidden states to store: 0 is the input of the transformer, 12 the last layer of the base size.
        compute_dtype: the encoder's arithmetic. A named type is kept to. ``auto`` takes what is there: first the type
            of the current features, then this machine's own (bfloat16 where the processor has it), then any.
        pad: encoders of raw waveforms only. ``after`` (null means the same) encodes every clip at its own length;
            ``before`` pads it with zeros to the full length first, as the original did, which changes the frames of the
            speech itself.
        context: Whisper only. ``clip`` (null means the same) encodes the clip's own mel frames; ``full`` pads it
            with zeros to the 30 s that Whisper was trained on, and encodes all of them.
    """

    kind: Literal["ssl"] = "ssl"
    checkpoint: Annotated[str, Field(min_length=1), AfterValidator(_checkpoint_name)] = "facebook/hubert-base-ls960"
    revision: str | None = None
    layers: Annotated[list[Annotated[int, Field(ge=0, le=48)]], Field(min_length=1)] | Literal["all"] = [12]
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
        if self.pad == "before" and self.clips.seconds is None:
            raise ValueError("pad: before needs clips of a fixed length; set clips.seconds")
        return self

    def known_layers(self) -> list[int] | None:
        if self.layers != "all":
            return sorted(set(self.layers))
        return list(range(untrained_parts(self.checkpoint)[1] + 1)) if is_untrained(self.checkpoint) else None

    def compute_types(self, own: str) -> list[str]:
        return [own, *(name for name in _TYPES if name != own)] if self.compute_dtype == "auto" else [own]

    @property
    def checkpoint_folder(self) -> Path | None:
        return folder if (folder := Path(self.checkpoint)).is_dir() else None


def is_untrained(checkpoint: str) -> bool:
    """Whether a checkpoint's name stands for random weights."""
    return _UNTRAINED.fullmatch(checkpoint) is not None


def untrained_parts(checkpoint: str) -> tuple[int, int]:
    """``untrained[:seed[,layers=n]]`` -> seed (0) and number of layers (12)."""
    parts = _UNTRAINED.fullmatch(checkpoint)
    return int(parts["seed"] or 0), int(parts["layers"] or 12)


def open_encoder(settings: SslSettings, device: torch.device, source: None = None) -> Encoder:
    """Load a frozen encoder.

    Args:
        settings: which checkpoint, which layers, how clips are put before it.
        device: where to compute.
        source: not used.

    Raises:
        UserError: the checkpoint cannot be loaded, is no speech encoder that we know, or has fewer layers.
    """
    from features.checkpoints import is_whisper, load_checkpoint  # transformers takes a while to import
    from features.waveform_encoder import WaveformEncoder
    from features.whisper_encoder import WhisperEncoder

    checkpoint = load_checkpoint(settings)
    encoder = WhisperEncoder if is_whisper(checkpoint.config) else WaveformEncoder
    return encoder(settings, checkpoint, device, choose_compute_dtype(settings.compute_dtype, device))


def choose_compute_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto``: bfloat16 where the processor computes with it, float32 elsewhere."""
    if name != "auto":
        return _TYPES[name]
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bfloat16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_bfloat16 else torch.float32
