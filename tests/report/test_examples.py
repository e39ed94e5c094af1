"""The examples that are drawn: which ones, how much each frame is attended to, and their waveforms."""

import numpy as np
import pandas as pd
import pytest

from data.clips import ClipsSettings, write_clips
from data.errors import UserError
from evaluation.evaluation import Evaluation
from evaluation.results import Details, FeatureData, Training
from report.examples import (
    attention_of_examples,
    attention_over_time,
    check_examples,
    choose_examples,
    envelope,
    read_waveforms,
)
from tests.builders import write_wav


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
    return table.assign(speaker="s", corpus="emodb")


def test_examples_are_correct_and_wrong_ones_of_different_classes_or_those_that_are_wanted():
    assert list(choose_examples(some_predictions(), [])["id"]) == ["b", "c", "d", "e"]
    assert list(choose_examples(some_predictions(), ["f"])["id"]) == ["f"]


def test_attention_is_relative_to_an_even_spread():
    examples = choose_examples(some_predictions(), ["a"])
    table = attention_over_time(examples, [np.array([0.5, 0.25, 0.25, 0.0])], frame_rate=50)
    assert table["attention"].tolist() == [2, 1, 1, 0]
    assert table["second"].tolist() == pytest.approx([0.01, 0.03, 0.05, 0.07])
    assert attention_over_time(examples.head(0), [], 50).empty


def test_an_envelope_bounds_the_waveform():
    waveform = np.sin(np.arange(16000) / 20).astype(np.float32)
    shape = envelope(waveform, 16000)
    assert len(shape["second"]) == len(shape["low"]) == 400
    assert max(shape["high"]) == pytest.approx(1, abs=1e-3)
    assert shape["second"][-1] == pytest.approx(1, abs=0.01)
    assert len(envelope(waveform[:7], 16000)["low"]) == 7


def evaluation(predictions: pd.DataFrame, attention: list[np.ndarray]) -> Evaluation:
    features = FeatureData.model_construct(frame_rate=50)
    details = Details.model_construct(training=Training.model_construct(features=features))
    return Evaluation(details, predictions, attention=attention)


def test_examples_are_of_the_first_seed_and_keep_their_own_attention():
    later, first = some_predictions().assign(seed=2), some_predictions().assign(seed=1)
    attention = [np.eye(6)[frame] for frame in range(6)]  # utterance n attends to frame n
    table = attention_of_examples(evaluation(pd.concat([later, first], ignore_index=True), attention), ["c", "f"])
    assert table["id"].unique().tolist() == ["c", "f"]
    assert table[table["attention"] > 0]["second"].tolist() == pytest.approx([0.05, 0.11])


def test_a_head_that_does_not_attend_has_no_examples():
    assert attention_of_examples(evaluation(some_predictions().assign(seed=1), []), []).empty


def test_an_example_that_no_task_tests_is_refused():
    one, other = evaluation(some_predictions(), []), evaluation(some_predictions().assign(id=list("uvwxyz")), [])
    check_examples([one, other], ["a", "z"])
    with pytest.raises(UserError, match=r"report\.examples: no test utterance 'ff'; did you mean 'f'"):
        check_examples([one, other], ["a", "ff"])


def some_attention(*ids: str) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, "corpus": "emodb"})


def test_waveforms_without_clips_say_where_to_get_them(tmp_path):
    with pytest.raises(UserError, match=r"report\.waveforms: true needs the clips of a, b .* `dvc pull preprocess`"):
        read_waveforms(some_attention("b", "a"), {"emodb": tmp_path})


def test_the_clips_of_a_joint_task_have_their_corpus_own_ids(tmp_path):
    write_clips(tmp_path / "03.h5", ["03a01Fa"], [write_wav(tmp_path / "03a01Fa.wav")], ClipsSettings())
    found = read_waveforms(some_attention("emodb:03a01Fa"), {"emodb": tmp_path})
    assert max(found["emodb:03a01Fa"]["high"]) == pytest.approx(0.3, abs=0.05)
