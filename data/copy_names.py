"""What a copy's name says: ``noise_white_snr5`` is white noise at 5 dB."""

import re
from dataclasses import dataclass

_PATTERNS = {
    "noise": r"noise_(?P<what>.+)_snr(?P<strength>-?[\d.]+)",
    "room": r"room_(?P<what>.+)",
    "codec": r"codec_(?P<what>.+)",
    "speed": r"speed_(?P<strength>[\d.]+)",
    "gain": r"gain_(?P<strength>-?[\d.]+)",
}


@dataclass(frozen=True)
class CopyName:
    """A copy's name in its parts.

    Attributes:
        kind: a key of `data.disturbances.KINDS`.
        what: which noise, room or codec; None of other kinds.
        strength: the signal-to-noise ratio in dB, the speed, or the gain in dB; None of other kinds.
    """

    kind: str
    what: str | None
    strength: float | None


def parse_copy_name(name: str) -> CopyName:
    """The parts of the name of a disturbed copy.

    >>> parse_copy_name("noise_white_snr5")
    CopyName(kind='noise', what='white', strength=5.0)

    Raises:
        ValueError: it is not the name of a disturbed copy.
    """
    for kind, pattern in _PATTERNS.items():
        if match := re.fullmatch(pattern, name):
            parts = match.groupdict()
            strength = parts.get("strength")
            return CopyName(kind, parts.get("what"), float(strength) if strength is not None else None)
    raise ValueError(f"{name!r} is not the name of a disturbed copy")
