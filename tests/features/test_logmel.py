"""Log-mel frames are librosa's."""

import librosa
import numpy as np
import pytest
import torch

from data.clips import ClipsSettings
from features.kinds import open_encoder
from features.logmel import LogmelSettings
from tests.builders import tone

SPEECH = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 40}


@pytest.mark.parametrize(
    ("sample_rate", "parameters"), [(16000, SPEECH), (22050, {}), (44100, {**SPEECH, "n_fft": 1024})], ids=str
)
@pytest.mark.parametrize("seconds", [1.3, 0.02])
@pytest.mark.filterwarnings("ignore:n_fft=")
def test_frames_are_librosas_decibels_before_they_are_stored(sample_rate, parameters, seconds):
    settings = LogmelSettings(clips=ClipsSettings(sample_rate=sample_rate), **parameters)
    waveform = tone(seconds, sample_rate) * np.linspace(0, 1, round(seconds * sample_rate), dtype=np.float32)
    (frames,) = open_encoder(settings, torch.device("cpu")).encode([waveform])
    expected = librosa.power_to_db(librosa.feature.melspectrogram(y=waveform, sr=sample_rate, **parameters)).T
    assert frames.shape == (1, *expected.shape)
    np.testing.assert_allclose(frames[0], expected, atol=1e-4, rtol=0)


def test_the_recipe_has_no_coefficients_and_a_frame_has_its_deltas():
    encoder = open_encoder(LogmelSettings(clips=ClipsSettings(), **SPEECH, delta_orders=[0, 1, 2]), torch.device("cpu"))
    assert encoder.dimension == 120
    assert "n_mfcc" not in encoder.recipe
