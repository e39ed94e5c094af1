"""What live sessions are tested with: a real predictor that is fast, one that is steered, and a sound system."""

import threading
from types import SimpleNamespace

import numpy as np
import torch

from features.mfcc import MfccEncoder, MfccSettings
from inference import Answer, Predictor
from inference.predictor import Run
from models.building import build_head
from models.gru import GruSettings
from training.checkpoint import RatingScale, StandardisedHead

CLASSES = ("angry", "happy", "neutral", "sad")
TARGETS = ("valence", "activation", "dominance")


def mfcc_predictor(of_ratings: bool = False, **clips) -> Predictor:
    """A random head with attention on MFCCs: everything is real, and a window takes milliseconds."""
    settings = MfccSettings(clips={"sample_rate": 16000, "seconds": 3.0, **clips})
    names = TARGETS if of_ratings else CLASSES
    torch.manual_seed(3)
    head = build_head(GruSettings(model="gru", hidden_size=8, num_layers=1), settings.n_mfcc, len(names))
    scale = RatingScale(torch.full([3], 3.0), torch.full([3], 0.7)) if of_ratings else None
    model = StandardisedHead(head, torch.zeros(1, settings.n_mfcc), torch.full([1, settings.n_mfcc], 30.0), scale)
    return Predictor(
        name="gru",
        runs=[Run("fold-0/seed-1", model)],
        names=names,
        of_ratings=of_ratings,
        layers=[0],
        settings=settings,
        encoder=MfccEncoder(settings),
    )


class SteeredPredictor:
    """Stands in for a predictor where a test decides when an analysis ends, and how.

    Attributes:
        started: released each time that an analysis begins.
        may_end: acquired before it ends; `free` lets all of them end at once.
        error: raised instead of an answer, if there is one.
        windows: the waveforms that were analysed.
    """

    names, of_ratings, name = CLASSES, False, "steered"
    sample_rate, seconds = 16000, 3.0
    runs, cautions = (), ()

    def __init__(self, free: bool = True):
        self.started, self.may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.free, self.error, self.windows = free, None, []
        self.settings = SimpleNamespace(clips=SimpleNamespace(sample_rate=16000, seconds=3.0, crop="start"))

    def is_long_enough(self, num_samples: int) -> bool:
        return num_samples >= 400

    def predict(self, waveforms, on_done=None) -> list[Answer]:
        self.windows += waveforms
        self.started.release()
        if not self.free:
            assert self.may_end.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        loudest = int(np.abs(waveforms[0]).max() * 10) % len(CLASSES)
        outputs = np.full(len(CLASSES), 0.1)
        outputs[loudest] = 0.7
        return [Answer(outputs, np.ones(10) / 10)]


class PortAudioError(Exception):
    pass


class SoundSystem:
    """Stands in for the package sounddevice: a machine with the inputs that a test gives it."""

    PortAudioError = PortAudioError

    def __init__(self, names=(), rates=(48000,), opening=None):
        self.names, self.rates, self.opening, self.stream = names, rates, opening, None
        self.default = SimpleNamespace(device=(1 if names else -1, -1))

    def query_hostapis(self):
        return [{"name": "ALSA"}]

    def query_devices(self):
        speaker = {"name": "Speaker", "hostapi": 0, "max_input_channels": 0, "default_samplerate": 48000.0}
        inputs = [
            {"name": name, "hostapi": 0, "max_input_channels": 2, "default_samplerate": 96000.0} for name in self.names
        ]
        return [speaker, *inputs]

    def check_input_settings(self, samplerate, **other):
        if samplerate not in self.rates:
            raise PortAudioError("Error checking input settings: Invalid sample rate [PaErrorCode -9997]", -9997)

    def InputStream(self, **options):  # noqa: N802
        if self.opening is not None:
            raise PortAudioError(self.opening)
        self.stream = SimpleNamespace(**options, start=lambda: None, close=lambda: None)
        return self.stream
