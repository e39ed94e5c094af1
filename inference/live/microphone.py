"""Microphones, by the extra package sounddevice and the system's PortAudio."""

import sys
import threading
import time
from dataclasses import dataclass

import numpy as np

from data.errors import UserError, listed, nearest
from inference.live.session import LiveSession

_NO_MICROPHONE = (
    "Analyse a file instead (ser live --file), or use the microphone of another machine's browser (ser serve)."
)
_USUAL_RATES = (48000, 44100, 16000)
_GONE_AFTER = 3.0  # seconds without a block of samples, which a sound card delivers even of silence


@dataclass(frozen=True)
class Microphone:
    """An input of this machine.

    Attributes:
        index: PortAudio's number of it, which changes as devices come and go.
        name: of the device.
        system: the sound system that it is reached by, such as ALSA or Core Audio.
        sample_rate: Hz, the one that it prefers.
        is_default: whether the system uses it unless told otherwise.
    """

    index: int
    name: str
    system: str
    sample_rate: int
    is_default: bool


def microphones(look_again: bool = False) -> list[Microphone]:
    """The inputs of this machine; none if there is no microphone.

    Args:
        look_again: also for what was plugged in since the last time. Not while a microphone is in use.

    Raises:
        UserError: sounddevice or PortAudio is missing.
    """
    sounddevice = _sounddevice()
    if look_again:
        sounddevice._terminate()  # PortAudio looks for devices only when it starts, and sounddevice has no other way
        sounddevice._initialize()
    systems = [system["name"] for system in sounddevice.query_hostapis()]
    default = sounddevice.default.device[0]
    return [
        Microphone(
            index,
            device["name"],
            systems[device["hostapi"]],
            round(device["default_samplerate"]),
            index == default,
        )
        for index, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def find_microphone(wanted: str | None = None) -> Microphone:
    """The microphone of a number or of a part of a name; the system's default one for None.

    Raises:
        UserError: there is no microphone, or none like that.
    """
    found = microphones()
    if not found:
        raise UserError(f"No microphone: this machine has no audio input. {_NO_MICROPHONE}")
    if wanted is None:
        return next((microphone for microphone in found if microphone.is_default), found[0])
    by_index = [microphone for microphone in found if str(microphone.index) == wanted]
    by_name = [microphone for microphone in found if wanted.casefold() in microphone.name.casefold()]
    if by_index or by_name:
        return [*by_index, *by_name][0]
    there_are = listed([f"{microphone.index}  {microphone.name}" for microphone in found])
    raise UserError(
        f"No microphone {wanted!r}{nearest(wanted, [microphone.name for microphone in found])}. There are\n{there_are}"
    )


class MicrophoneSource:
    """A microphone that feeds a session.

    Args:
        microphone: which one; None for the system's default.

    Raises:
        UserError: there is none, or it cannot be used, and why.
    """

    def __init__(self, microphone: Microphone | None = None):
        self._sounddevice = _sounddevice()
        self.microphone = microphone or find_microphone()
        self.name = self.microphone.name
        self.sample_rate = self._supported_rate()
        self._session: LiveSession | None = None
        self._stream = None
        self._heard_at = 0.0
        self._stopping = threading.Event()

    def start(self, session: LiveSession) -> None:
        """Open the microphone.

        Raises:
            UserError: it is used by another program, or this one may not use it.
        """
        self._session, self._heard_at = session, time.monotonic()
        try:
            self._stream = self._sounddevice.InputStream(
                samplerate=self.sample_rate,
                device=self.microphone.index,
                channels=1,
                dtype="float32",
                callback=self._hear,
                finished_callback=self._finish,
            )
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise UserError(f"{self.name} cannot be used: {_reason(error)}") from error
        threading.Thread(target=self._watch, name="live microphone", daemon=True).start()

    def pause(self) -> None:
        """The microphone stays open; the session leaves out what it hears."""

    def resume(self) -> None:
        """See `pause`."""

    def stop(self) -> None:
        self._stopping.set()
        if self._stream is not None:
            self._stream.close()

    def _hear(self, samples: np.ndarray, num_samples: int, times, status) -> None:
        """Copy a block; called in a thread of the sound system, which must not wait."""
        self._heard_at = time.monotonic()
        self._session.feed(samples[:, 0])

    def _finish(self) -> None:
        if not self._stopping.is_set():
            self._session.lose(f"{self.name} has gone. Was it unplugged?")

    def _watch(self) -> None:
        """Some systems end a stream without a word when the device goes."""
        while not self._stopping.wait(0.5):
            if time.monotonic() - self._heard_at > _GONE_AFTER:
                self._session.lose(f"{self.name} no longer delivers sound. Was it unplugged?")
                return

    def _supported_rate(self) -> int:
        """The rate to ask for: what the device prefers, or a usual one that it takes."""
        for rate in (self.microphone.sample_rate, *_USUAL_RATES):
            try:
                self._sounddevice.check_input_settings(
                    device=self.microphone.index, channels=1, dtype="float32", samplerate=rate
                )
            except self._sounddevice.PortAudioError as raised:
                error = raised
            else:
                return rate
        raise UserError(f"{self.name} cannot be used: {_reason(error)}") from error


def _sounddevice():
    try:
        import sounddevice
    except ImportError:
        raise UserError('A microphone needs the package sounddevice: pip install -e ".[live]"') from None
    except OSError:  # it does not find the library PortAudio
        raise UserError("A microphone needs the library PortAudio: sudo apt install libportaudio2") from None
    return sounddevice


def _reason(error: Exception) -> str:
    """What PortAudio's error means for people."""
    text = str(error.args[0]) if error.args else ""
    if "sample rate" in text.lower():
        rates = ", ".join(f"{rate:,}" for rate in _USUAL_RATES)
        return f"it supports none of the usual sample rates ({rates} Hz)."
    if "unavailable" in text.lower():
        return "another program is using it, or it was unplugged."
    if "host error" in text.lower():  # what Core Audio and WASAPI answer to a program without permission
        where = {
            "darwin": "System Settings > Privacy & Security > Microphone",
            "win32": "Settings > Privacy & security > Microphone",
        }.get(sys.platform, "your system's privacy settings (on Linux: are you in the group audio?)")
        return f"this program may not use it. Allow it in {where}."
    return f"{text.rstrip('.')}."
