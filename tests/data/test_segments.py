"""A long utterance in pieces: every sample once at least, no piece too short, and nothing new for short ones."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data.clip_keys import clip_key, keys_of
from data.clips import ClipsSettings, from_int16, open_clips, piece_starts, read_samples, to_int16, write_clips
from tests.builders import tone


def write(folder, durations: dict[str, float], **recipe):
    for name, duration in durations.items():
        soundfile.write(folder / f"{name}.wav", to_int16(tone(duration)), 16000)
    path = folder / "shard.h5"
    skipped = write_clips(
        path, list(durations), [folder / f"{name}.wav" for name in durations], ClipsSettings(**recipe)
    )
    assert not skipped
    return open_clips(path)


def test_the_pieces_of_an_utterance_are_its_samples(tmp_path):
    seconds = {"long": 3.3, "short": 0.7, "two": 2.0}
    clips = write(tmp_path, seconds, seconds=1.0, crop="segments", shortest=0.2)
    assert clips.ids == ["long"] * 4 + ["short"] + ["two"] * 2
    assert clips.column("piece").tolist() == [0, 1, 2, 3, 0, 0, 1]
    assert list(clips.lengths) == [16000, 16000, 16000, 4800, 11200, 16000, 16000]
    assert clips.column("seconds").tolist() == [3.3] * 4 + [0.7] + [2.0] * 2  # of the whole utterance
    assert (
        keys_of(clips)[:2]
        == [clip_key("long", piece=0), clip_key("long", piece=1)]
        == [
            "long (piece 0)",
            "long (piece 1)",
        ]
    )
    for name in seconds:
        pieces = [read_samples(clips, index) for index, own in enumerate(clips.ids) if own == name]
        np.testing.assert_array_equal(np.concatenate(pieces), from_int16(to_int16(tone(seconds[name]))))


def test_a_last_piece_that_would_be_too_short_begins_earlier_and_is_as_long_as_the_others(tmp_path):
    clips = write(tmp_path, {"long": 2.4}, seconds=1.0, crop="segments")  # shortest: half a second
    sound = from_int16(to_int16(tone(2.4)))
    for index, start in enumerate((0, 16000, 22400)):
        np.testing.assert_array_equal(read_samples(clips, index), sound[start : start + 16000])


@given(st.integers(1, 400), st.integers(2, 60), st.data())
def test_no_sample_is_left_out_and_no_piece_is_too_short_or_within_another(num_samples, length, data):
    hop, shortest = data.draw(st.integers(1, length)), data.draw(st.integers(1, length))
    starts = piece_starts(num_samples, length, hop, shortest)
    ends = [min(start + length, num_samples) for start in starts]
    assert (starts[0], ends[-1]) == (0, num_samples)
    assert all(later <= end for later, end in zip(starts[1:], ends, strict=False))  # no gaps
    assert all(end < later for end, later in pairwise(ends))  # each has samples of its own
    assert len(starts) == 1 or all(end - start >= shortest for start, end in zip(starts, ends, strict=True))
    assert all(later - start == hop for start, later in pairwise(starts[:-1]))


def test_utterances_that_are_no_longer_than_a_piece_have_the_same_samples_as_with_crop_start(tmp_path):
    seconds = {"one": 1.0, "other": 0.3}
    for crop in ("start", "segments"):
        (tmp_path / crop).mkdir()
    start, segments = (write(tmp_path / crop, seconds, seconds=1.0, crop=crop) for crop in ("start", "segments"))
    np.testing.assert_array_equal(start.rows("waveform"), segments.rows("waveform"))
    assert start.ids == segments.ids
    assert not start.has_column("piece")


def test_a_piece_may_be_silent_but_not_all_of_them(tmp_path):
    sound = np.concatenate([tone(1.0), np.zeros(16000, np.float32)])
    soundfile.write(tmp_path / "half.wav", sound, 16000)
    recipe = ClipsSettings(seconds=1.0, crop="segments")
    assert write_clips(tmp_path / "s.h5", ["half"], [tmp_path / "half.wav"], recipe) == []
    assert len(open_clips(tmp_path / "s.h5").ids) == 2


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"crop": "start", "hop": 1.0}, "needs crop: segments"),
        ({"crop": "segments", "seconds": None}, "needs seconds"),
        ({"crop": "segments", "seconds": 1.0, "hop": 1.5}, "speech between the pieces would be lost"),
        ({"crop": "segments", "seconds": 1.0, "shortest": 1.5}, "no piece is as long as that"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(recipe, message):
    with pytest.raises(ValidationError, match=message):
        ClipsSettings(**recipe)


def test_parameters_that_mean_the_same_are_one_recipe():
    given, left_out = {"crop": "segments", "seconds": 1.0, "hop": 1.0, "shortest": 0.5}, {"seconds": 1.0}
    assert ClipsSettings(**given).content == ClipsSettings(**left_out, crop="segments").content
    assert ClipsSettings(**left_out).content == {"sample_rate": 16000, "seconds": 1.0, "crop": "start"}
