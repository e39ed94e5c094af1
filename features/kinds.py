"""The kinds of features. To add one, write its file and name it in `KINDS`; nothing else belongs here.

A kind's file has its ``VERSION``, its settings (`features.settings.KindSettings`), its encoder
(`features.encoder.Encoder`) and the function that opens the one for the other.
"""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from features import imported, logmel, mfcc, opensmile, ssl
from features.encoder import Encoder
from features.settings import KindSettings


@dataclass(frozen=True)
class Kind:
    """One kind of features.

    Attributes:
        settings: the class of its parameters.
        open_encoder: loads the encoder, given settings, device and the folder of files to read from.
        version: raised when the bytes of this kind's features change on purpose; part of their fingerprints only.
    """

    settings: type[KindSettings]
    open_encoder: Callable[[KindSettings, torch.device, Path | None], Encoder]
    version: int


KINDS = {
    "ssl": Kind(ssl.SslSettings, ssl.open_encoder, ssl.VERSION),
    "mfcc": Kind(mfcc.MfccSettings, mfcc.open_encoder, mfcc.VERSION),
    "logmel": Kind(logmel.LogmelSettings, logmel.open_encoder, logmel.VERSION),
    "opensmile": Kind(opensmile.OpensmileSettings, opensmile.open_encoder, opensmile.VERSION),
    "imported": Kind(imported.ImportedSettings, imported.open_encoder, imported.VERSION),
}

FeatureSettings = Annotated[
    functools.reduce(operator.or_, [kind.settings for kind in KINDS.values()]), Field(discriminator="kind")
]
"""``features.<set>`` of any kind: ``kind`` chooses the class."""


def open_encoder(settings: KindSettings, device: torch.device, source: Path | None = None) -> Encoder:
    """Load the encoder of a feature set.

    Args:
        settings: of any kind.
        device: where to compute, if this kind can use it.
        source: `KindSettings.source_folder` of the set and its corpus.

    Raises:
        UserError: it cannot be loaded, or the settings do not fit it.
    """
    return KINDS[settings.kind].open_encoder(settings, device, source)


def version_line(settings: KindSettings) -> str:
    """What features of these settings depend on as code, for ``artifacts/code``: ``"ssl 2\\n"``."""
    return f"{settings.kind} {KINDS[settings.kind].version}\n"
