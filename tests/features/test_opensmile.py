"""openSMILE's features are those that its own package gives, in as many frames as are expected."""

import sys

import numpy as np
import pytest
import torch

from data.clips import ClipsSettings
from data.errors import UserError
from features.opensmile import OpensmileSettings, open_encoder
from tests.builders import tone

CPU = torch.device("cpu")
LEVELS = {"lld": "LowLevelDescriptors", "lld_de": "LowLevelDescriptors_Deltas", "functionals": "Functionals"}
SETS = [
    *[(name, level) for name in ("ComParE_2016", "emobase") for level in LEVELS],
    *[(name, level) for name in ("eGeMAPSv02", "GeMAPSv01b") for level in ("lld", "functionals")],
]


def encoder_of(feature_set: str, level: str, sample_rate: int = 16000):
    clips = ClipsSettings(sample_rate=sample_rate)
    return open_encoder(OpensmileSettings(clips=clips, feature_set=feature_set, level=level), CPU)


@pytest.mark.extras
@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 22050, 48000])
@pytest.mark.parametrize(("feature_set", "level"), SETS)
def test_frames_are_the_packages_own_and_as_many_as_expected(feature_set, level, sample_rate):
    import opensmile

    encoder = encoder_of(feature_set, level, sample_rate)
    smile = opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel[LEVELS[level]])
    shortest = next(count for count in range(sample_rate) if encoder.num_frames(count))
    for num_samples in (shortest, shortest + encoder.stride - 1, shortest + encoder.stride, sample_rate + 7):
        samples = tone(num_samples / sample_rate, sample_rate)
        expected = smile.process_signal(samples, sample_rate)
        (frames,) = encoder.encode([samples])
        np.testing.assert_array_equal(frames[0], expected.to_numpy(np.float32))
        assert frames.shape == (1, encoder.num_frames(num_samples), encoder.dimension)
        assert torch.isfinite(frames).all()
    if encoder.frame_rate:
        starts = expected.index.get_level_values("start").total_seconds()
        assert np.median(np.diff(starts)) == pytest.approx(1 / encoder.frame_rate, abs=1e-7)
    with pytest.raises(UserError, match=r"shorter than the [46]0 ms .*exclude.*\n  brief$"):
        encoder.check_lengths(["brief", "long"], [shortest - 1, shortest])


@pytest.mark.extras
def test_the_recipe_names_the_packages_version():
    import opensmile

    recipe = encoder_of("eGeMAPSv02", "lld").recipe
    assert recipe == {"feature_set": "eGeMAPSv02", "level": "lld", "opensmile": opensmile.__version__}


def test_without_the_package_it_says_what_to_install_under_which_licence(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(UserError, match=r"pip install 'opensmile.*licence.*not commercial use"):
        encoder_of("eGeMAPSv02", "lld")


def test_gemaps_has_no_deltas():
    with pytest.raises(ValueError, match="eGeMAPSv02 has no lld_de"):
        OpensmileSettings(clips=ClipsSettings(), feature_set="eGeMAPSv02", level="lld_de")
