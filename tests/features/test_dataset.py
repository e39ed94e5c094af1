"""The dataset for people who train elsewhere: the store's frames, in any process, verified once."""

import pickle
import shutil

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from data.errors import UserError
from features import dataset as module
from features.dataset import FrameDataset, pad_frames
from features.store import FeatureSet
from tests.builders import write_features


@pytest.fixture(scope="module", params=["float16", "int8"])
def folder(request, tmp_path_factory):
    return write_features(
        tmp_path_factory.mktemp(request.param) / "f", layers=(0, 12), storage=request.param, most_pieces=2, speakers=3
    )


@pytest.mark.parametrize(
    ("layers", "workers", "start"), [(12, 0, None), ([0, 12], 2, "fork"), (12, 1, "spawn")], ids=["0", "fork", "spawn"]
)
def test_every_batch_is_the_stores_frames_in_any_process(folder, layers, workers, start):
    if start == "spawn" and "int8" in str(folder):
        pytest.skip("spawning takes seconds, and is tested with float16")
    dataset, features = FrameDataset(folder, layers), FeatureSet(folder)
    loader = DataLoader(
        dataset, batch_size=7, collate_fn=pad_frames, num_workers=workers, multiprocessing_context=start
    )
    seen = 0
    for frames, lengths, ids in loader:
        keys = dataset.keys[seen : seen + len(ids)]
        assert ids == dataset.ids[seen : seen + len(ids)] == [features.locations[key].id for key in keys]
        seen += len(ids)
        expected, own = features.gather(keys, [12] if layers == 12 else layers)
        assert torch.equal(lengths, own)
        assert torch.equal(frames.float(), expected[:, 0] if layers == 12 else expected)
        assert frames.dtype == (torch.float32 if features.is_quantised else torch.float16)
    assert seen == len(features.locations) == len(dataset)


def test_files_are_read_once_and_a_worker_opens_what_it_was_sent(folder, monkeypatch):
    dataset = FrameDataset(folder, 12)
    sent = pickle.dumps(dataset)
    assert len(sent) < 40_000 + 200 * len(dataset)
    expected = dataset[3][0]
    monkeypatch.setattr(module, "FeatureSet", None)  # nothing is opened or verified again
    again = pickle.loads(sent)
    assert torch.equal(again[3][0], expected)
    assert torch.equal(again.__getitems__([3])[0][0], expected)


def test_what_is_done_to_an_item_stays_with_it(folder):
    dataset = FrameDataset(folder, 12)
    before = dataset[0][0].clone()
    dataset[0][0].zero_()
    assert torch.equal(dataset[0][0], before)


def test_utterances_are_chosen_by_id_and_unknown_ones_named(folder):
    dataset = FrameDataset(folder, 12, ids=["s2-3-0", "s0-1-1"])
    assert dataset.ids == ["s2-3-0"] * 2 + ["s0-1-1"] * 2  # two pieces each
    assert dataset.keys[0] == "s2-3-0 (piece 0)"
    np.testing.assert_array_equal(dataset.lengths, [len(frames) for frames, _ in dataset])
    with pytest.raises(UserError, match=r"1 of 2 utterances are not here:\n  nobody"):
        FrameDataset(folder, 12, ids=["s0-1-1", "nobody"])
    with pytest.raises(UserError, match="layer 7 is not stored"):
        FrameDataset(folder, 7)


def test_copies_come_only_when_asked_for(tmp_path):
    folder = write_features(tmp_path / "f", copies=("room_small",), speakers=2)
    clean, both = FrameDataset(folder, 12), FrameDataset(folder, 12, copies=("clean", "room_small"))
    assert (len(clean), len(both)) == (20, 40)
    assert both.keys[:2] == ["s0-0-0", "s0-0-0 (room_small)"]


def test_a_file_that_was_replaced_meanwhile_is_refused(tmp_path):
    folder = write_features(tmp_path / "f")
    sent = pickle.dumps(FrameDataset(folder, 12))
    for path in folder.iterdir():
        shutil.copyfile(path, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
    with pytest.raises(UserError, match="another file than when the dataset was made"):
        pickle.loads(sent)[0]
