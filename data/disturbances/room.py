"""An utterance in a room: the room's impulse response is synthesised, or drawn from a folder of recordings."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from data.disturbances.disturbance import Disturbance, DisturbanceSettings, random_numbers, within_full_scale
from data.disturbances.recordings import draw_recording, known_source

ROOMS = "data/rooms"
_GAP = 0.002  # seconds between the direct sound and the first reflection


@dataclass(frozen=True)
class Room:
    """A synthetic room.

    Attributes:
        rt60: seconds until the reverberation has decayed by 60 dB.
        direct: how much more energy the direct sound has than the reverberation, in dB.
    """

    rt60: float
    direct: float


SYNTHETIC = {"small": Room(rt60=0.3, direct=5.0), "large": Room(rt60=1.0, direct=0.0)}


class RoomSettings(DisturbanceSettings):
    """``{room: small}``.

    Attributes:
        room: ``small``, ``large``, or a folder of impulse responses below ``data/rooms``.
    """

    room: Annotated[str, AfterValidator(lambda name: known_source(name, SYNTHETIC, ROOMS))]

    @property
    def folder(self) -> str | None:
        return None if self.room in SYNTHETIC else self.room

    def disturbances(self) -> list[Disturbance]:
        return [Disturbance(f"room_{self.room.rpartition('/')[2]}", partial(disturb_by_room, self.room))]


def disturb_by_room(room: str, waveform: np.ndarray, sample_rate: int, key: str) -> np.ndarray:
    """Put a waveform into a room: as loud as before on average, its onset where it was, its echo cut at its end.

    Args:
        room: a name in `SYNTHETIC`, or a folder of impulse responses.
        waveform: float32 [T].
        sample_rate: Hz.
        key: what the room is drawn by.
    """
    random = random_numbers(key, room)
    if room in SYNTHETIC:
        response = synthetic_response(SYNTHETIC[room], sample_rate, random)
    else:
        response = from_direct_sound(draw_recording(room, sample_rate, random))
    import torch
    from torchaudio.functional import fftconvolve

    wet = fftconvolve(torch.from_numpy(waveform), torch.from_numpy(response))[: len(waveform)].numpy()
    return within_full_scale(wet * (np.linalg.norm(waveform) / max(np.linalg.norm(wet), 1e-12)))


def synthetic_response(room: Room, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """An impulse response float32 [T]: the direct sound, and noise that decays exponentially.

    Source: Polack 1988, "La transmission de l'énergie sonore dans les salles".
    """
    seconds = np.arange(round(room.rt60 * sample_rate)) / sample_rate
    response = random.standard_normal(len(seconds)) * 10 ** (-3 * seconds / room.rt60)
    response[seconds < _GAP] = 0
    response *= 10 ** (-room.direct / 20) / np.linalg.norm(response)
    response[0] = 1
    return response.astype(np.float32)


def from_direct_sound(response: np.ndarray) -> np.ndarray:
    """A measured impulse response [T] from its peak on, which is the direct sound."""
    return np.ascontiguousarray(response[np.abs(response).argmax() :])
