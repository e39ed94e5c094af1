"""MFCCs are librosa's, within the float16 in which they are stored."""

import librosa
import numpy as np
import pytest
import soundfile
import torch
from threadpoolctl import threadpool_limits

from data.clips import ClipsSettings, from_int16, open_clips, to_int16, write_clips
from features.extraction import extract_shard
from features.kinds import open_encoder
from features.mfcc import MfccSettings
from features.store import FeatureSet
from tests.builders import tone

CPU = torch.device("cpu")
SECONDS = {"long": 1.7, "as long": 1.7, "short": 0.31, "shorter than a window": 0.05}
FLOAT16 = 2**-11  # what rounding to float16 changes at most, as a share


def samples_of(name: str, sample_rate: int) -> np.ndarray:
    """One clip as it is stored, float32: a tone that swells from silence, as 16-bit samples."""
    waveform = tone(SECONDS[name], sample_rate, frequency=150 + 60 * list(SECONDS).index(name))
    return from_int16(to_int16(waveform * np.linspace(0, 1, len(waveform))))


def extract(folder, sample_rate: int = 16000, batch_size: int | None = None, **parameters) -> FeatureSet:
    """The features of all clips, by way of audio files, clips and the store."""
    folder.mkdir(parents=True)
    for name in SECONDS:
        soundfile.write(folder / f"{name}.wav", samples_of(name, sample_rate), sample_rate)
    settings = MfccSettings(clips=ClipsSettings(sample_rate=sample_rate, seconds=None), **parameters)
    write_clips(folder / "clips.hdf5", list(SECONDS), [folder / f"{name}.wav" for name in SECONDS], settings.clips)
    encoder = open_encoder(settings, CPU)
    clips, how = open_clips(folder / "clips.hdf5"), {"fingerprint": "f" * 64, "batch_size": batch_size}
    extract_shard(clips, folder / "shard.h5", settings, encoder, **how)
    return FeatureSet(folder)


@pytest.mark.filterwarnings("ignore:n_fft=", "ignore:Empty filters")
@pytest.mark.parametrize(
    ("sample_rate", "parameters"),
    [
        (16000, {}),
        (16000, {"n_mfcc": 39}),
        (22050, {"n_mfcc": 20, "hop_length": 256}),
        (16000, {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 40}),
        (48000, {"n_fft": 1200, "hop_length": 480}),
        (11025, {"n_fft": 256, "hop_length": 100}),
    ],
    ids=str,
)
@pytest.mark.parametrize("orders", [[0], [0, 1], [0, 1, 2]], ids=str)
def test_frames_are_librosas_mfccs_and_their_deltas(tmp_path, sample_rate, parameters, orders):
    features = extract(tmp_path / "out", sample_rate, delta_orders=orders, **parameters)
    n_mfcc = parameters.get("n_mfcc", 13)
    assert (features.layers, features.dimension) == ([0], n_mfcc * len(orders))
    assert features.frame_rate == sample_rate / parameters.get("hop_length", 512)
    for name in SECONDS:
        waveform = samples_of(name, sample_rate)
        coefficients = librosa.feature.mfcc(y=waveform, sr=sample_rate, **{"n_mfcc": n_mfcc, **parameters})
        mode = "interp" if coefficients.shape[1] >= 9 else "nearest"
        deltas = [librosa.feature.delta(coefficients, order=order, mode=mode) for order in orders if order]
        expected = np.vstack([coefficients, *deltas]).T
        np.testing.assert_allclose(features.frames(name, 0), expected, rtol=FLOAT16, atol=2e-4)


def test_39_dimensions_are_13_coefficients_with_both_deltas_or_39_of_them(tmp_path):
    deltas = extract(tmp_path / "deltas", delta_orders=[0, 1, 2])
    many = extract(tmp_path / "many", n_mfcc=39)
    assert deltas.dimension == many.dimension == 39
    np.testing.assert_array_equal(deltas.frames("long", 0)[:, :13], many.frames("long", 0)[:, :13])


def test_a_clip_shorter_than_a_window_has_frames_with_deltas(tmp_path):
    features = extract(tmp_path / "out", delta_orders=[0, 1, 2], delta_width=15)
    assert features.num_frames("shorter than a window") == 2
    assert np.isfinite(features.frames("shorter than a window", 0)).all()


def test_clips_keep_the_bandwidth_of_their_rate(tmp_path):
    narrow, wide = (extract(tmp_path / str(rate), rate) for rate in (16000, 48000))
    assert narrow.recipe["clips"]["sample_rate"] == 16000
    assert wide.frame_rate == 3 * narrow.frame_rate


def test_neither_batch_nor_threads_change_a_byte(tmp_path):
    folders = [tmp_path / name for name in ("alone", "together", "threads")]
    with threadpool_limits(1):
        extract(folders[0], batch_size=1, delta_orders=[0, 1, 2])
        extract(folders[1], batch_size=4, delta_orders=[0, 1, 2])
    with threadpool_limits(4):
        extract(folders[2], delta_orders=[0, 1, 2])
    alone, together, threads = [(folder / "shard.h5").read_bytes() for folder in folders]
    assert alone == together == threads


def test_the_recipe_names_every_number_and_null_is_the_same_as_what_it_stands_for():
    def recipe(**parameters) -> dict:
        return open_encoder(MfccSettings(clips=ClipsSettings(), **parameters), CPU).recipe

    assert recipe() == recipe(win_length=2048)
    for changed in ({"n_mfcc": 14}, {"n_fft": 1024}, {"win_length": 800}, {"hop_length": 160}, {"n_mels": 64}):
        assert recipe() != recipe(**changed)
    assert recipe() != recipe(delta_orders=[0, 1]) != recipe(delta_orders=[0, 1], delta_width=5)


def test_empty_mel_bands_are_a_caution():
    clips = ClipsSettings(sample_rate=48000)
    encoder = open_encoder(MfccSettings(clips=clips, n_fft=512, hop_length=480), CPU)
    assert "mel bands of the MFCCs are empty" in encoder.cautions["empty_mel_bands"]
    assert open_encoder(MfccSettings(clips=clips, n_fft=512, n_mels=20), CPU).cautions == {}
