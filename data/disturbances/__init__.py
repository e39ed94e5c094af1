"""Disturbed copies of an utterance: ``features.<set>.clips.disturb``.

Each kind is a file of its own: `noise`, `room`, `codec`, and `playback` with speed and gain. All of them work on the
whole utterance, decoded and resampled, before it is cut. Speed apart, they keep its length and the place of its onset.
Chance is drawn by seed, utterance and kind: the noise is the same at every strength, and does not depend on which other
utterances there are. Torch and SciPy, which take seconds to import, are imported where they compute: every stage reads
the parameters.
"""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ValidationError

from data.disturbances.codec import CodecSettings
from data.disturbances.disturbance import Disturbance, DisturbanceSettings
from data.disturbances.noise import NoiseSettings
from data.disturbances.playback import GainSettings, SpeedSettings
from data.disturbances.recordings import folder_digest
from data.disturbances.room import RoomSettings
from data.errors import UserError, nearest

KINDS: dict[str, type[DisturbanceSettings]] = {
    "noise": NoiseSettings,
    "room": RoomSettings,
    "codec": CodecSettings,
    "speed": SpeedSettings,
    "gain": GainSettings,
}


def disturbances(entries: list[DisturbanceSettings]) -> list[Disturbance]:
    """All copies that some entries ask for, in order: one for every strength."""
    return [disturbance for entry in entries for disturbance in entry.disturbances()]


def folder_digests(entries: list[DisturbanceSettings]) -> list[tuple[str, str]]:
    """The folders of recordings that some entries draw from, and what names their content.

    Raises:
        UserError: a folder is missing or empty.
    """
    folders = dict.fromkeys(entry.folder for entry in entries if entry.folder)
    return [(folder, folder_digest(folder)) for folder in folders]


def problems_here(entries: list[DisturbanceSettings]) -> list[str]:
    """What keeps this machine from making copies: folders and codecs that are not here."""
    problems = []
    for entry in entries:
        try:
            entry.check()
        except UserError as error:
            problems.append(str(error))
    return problems


def _parse(entry) -> DisturbanceSettings:
    """The key that names the kind chooses the class."""
    if isinstance(entry, DisturbanceSettings):
        return entry
    expected = "expected such as {noise: white, snr: 10}, {room: small}, {codec: mp3}, {speed: 0.9} or {gain: -10}"
    if not isinstance(entry, dict) or not entry:
        raise ValueError(expected)
    named = [key for key in KINDS if key in entry]
    if not named:
        key = next(iter(entry))
        raise ValueError(f"no disturbance {key!r}{nearest(key, KINDS)}; {expected}")
    if len(named) > 1:
        raise ValueError(f"{' and '.join(named)} are two disturbances; write an entry for each")
    try:
        return KINDS[named[0]].model_validate(entry)
    except ValidationError as error:
        raise ValueError("; ".join(map(_explain, error.errors(include_url=False)))) from None


def _explain(problem: dict) -> str:
    key = problem["loc"][0]
    if problem["type"] == "extra_forbidden":
        return f"unknown parameter {key!r}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    return f"{key}: {problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}"


def _distinct(entries: list[DisturbanceSettings]) -> list[DisturbanceSettings]:
    names = [disturbance.name for disturbance in disturbances(entries)]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"asked for twice: {', '.join(duplicates)}")
    return entries


_AnyKind = NoiseSettings | RoomSettings | CodecSettings | SpeedSettings | GainSettings
DisturbSettings = Annotated[list[Annotated[_AnyKind, BeforeValidator(_parse)]], AfterValidator(_distinct)]
"""``features.<set>.clips.disturb``: a list of disturbances of any kind."""
