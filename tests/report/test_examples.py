"""The examples that are drawn: which ones, how much each frame is attended to, and their waveforms."""

import numpy as np
import pandas as pd
import pytest

from data.errors import UserError
from report.examples import attention_of_examples, attention_over_time, choose_examples, envelope, read_waveforms


def some_predictions() -> pd.DataFrame:
    rows = [
        ("a", "calm", "calm", 0.9),
        ("b", "calm", "calm", 0.95),
        ("c", "sad", "sad", 0.6),
        ("d", "sad", "calm", 0.8),
        ("e", "angry", "sad", 0.5),
        ("f", "sad", "angry", 0.7),
    ]
    table = pd.DataFrame(rows, columns=["id", "label", "predicted", "confidence"])
    return table.assign(speaker="s")


def test_examples_are_right_and_wrong_ones_of_different_classes_or_those_asked_for():
    assert list(choose_examples(some_predictions(), [])["id"]) == ["b", "c", "d", "e"]
    assert list(choose_examples(some_predictions(), ["f"])["id"]) == ["f"]
    with pytest.raises(UserError, match=r"report\.examples: no test utterance 'ff'; did you mean 'f'"):
        choose_examples(some_predictions(), ["ff"])


def test_attention_is_relative_to_an_even_spread():
    examples = choose_examples(some_predictions(), ["a"])
    table = attention_over_time(examples, [np.array([0.5, 0.25, 0.25, 0.0])], frame_rate=50)
    assert table["attention"].tolist() == [2, 1, 1, 0]
    assert table["second"].tolist() == pytest.approx([0.01, 0.03, 0.05, 0.07])
    assert attention_over_time(examples.head(0), [], 50).empty


def test_an_envelope_bounds_the_waveform():
    waveform = (32767 * np.sin(np.arange(16000) / 20)).astype(np.int16)
    shape = envelope(waveform, 16000)
    assert len(shape["second"]) == len(shape["low"]) == 400
    assert max(shape["high"]) == pytest.approx(1, abs=1e-3)
    assert shape["second"][-1] == pytest.approx(1, abs=0.01)
    assert len(envelope(waveform[:7], 16000)["low"]) == 7


def test_examples_are_of_the_first_seed_and_keep_their_own_attention():
    later, first = some_predictions().assign(seed=2), some_predictions().assign(seed=1)
    attention = [np.eye(6)[place] for place in range(6)]  # utterance n attends to frame n
    table = attention_of_examples(pd.concat([later, first], ignore_index=True), attention, 50, ["c", "f"])
    assert table["id"].unique().tolist() == ["c", "f"]
    assert table[table["attention"] > 0]["second"].tolist() == pytest.approx([0.05, 0.11])


def test_a_head_that_does_not_attend_has_no_examples_but_names_a_wrong_id():
    predictions = some_predictions().assign(seed=1)
    assert attention_of_examples(predictions, [], 50, []).empty
    with pytest.raises(UserError, match="no test utterance 'z'"):
        attention_of_examples(predictions, [], 50, ["z"])


def test_waveforms_without_clips_say_where_to_get_them(tmp_path):
    with pytest.raises(UserError, match=r"report\.waveforms: true needs the clips of a, b .* `dvc pull preprocess`"):
        read_waveforms(tmp_path, ["b", "a"])
