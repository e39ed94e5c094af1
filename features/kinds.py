"""The kinds of features. To add one, write its file and name it in `KINDS`; nothing else belongs here.

A kind's file has its ``VERSION``, its settings (`features.settings.KindSettings`), its encoder
(`features.encoder.Encoder`) and the function that opens the one for the other.
"""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from features import logmel, mfcc, ssl
from features.encoder import Encoder
from features.settings import KindSettings


@dataclass(frozen=True)
class Kind:
    """One kind of features.

    Attributes:
        settings: the class of its parameters.
        open_encoder: loads the encoder, given settings and device.
        version: raised when the bytes of this kind's features change on purpose; part of their fingerprints only.
    """

    settings: type[KindSettings]
    open_encoder: Callable[[KindSettings, torch.device], Encoder]
    version: int


KINDS = {
    "ssl": Kind(ssl.SslSettings, ssl.open_encoder, ssl.VERSION),
    "mfcc": Kind(mfcc.MfccSettings, mfcc.open_encoder, mfcc.VERSION),
    "logmel": Kind(logmel.LogmelSettings, logmel.open_encoder, logmel.VERSION),
}

FeatureSettings = Annotated[
    functools.reduce(operator.or_, [kind.settings for kind in KINDS.values()]), Field(discriminator="kind")
]
"""``features.<set>`` of any kind: ``kind`` chooses the class."""


def open_encoder(settings: KindSettings, device: torch.device) -> Encoder:
    """Load the encoder of a feature set.

    Args:
        settings: of any kind.
        device: where to compute, if this kind can use it.

    Raises:
        UserError: it cannot be loaded, or the settings do not fit it.
    """
    return KINDS[settings.kind].open_encoder(settings, device)


def version_line(settings: KindSettings) -> str:
    """What features of these settings depend on as code, for ``artifacts/code/extract-<set>``: ``"ssl 2\\n"``."""
    return f"{settings.kind} {KINDS[settings.kind].version}\n"
