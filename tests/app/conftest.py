"""A small trained head for the tests of the programs that answer with it, and which of these tests there are.

The tests of `ser serve` are left out where its packages are not installed.
"""

import importlib.util
from pathlib import Path

import pytest
import torch

from data.clips import ClipsSettings
from features.mfcc import MfccSettings
from inference import Predictor
from inference.opening import open_head, run_folders
from inference.packing import describe_runs, write_pack
from tests.trained_heads import TrainedHead, train_on_recordings

_PACKAGES = ("fastapi", "httpx", "playwright", "uvicorn", "websockets")

collect_ignore_glob = [] if all(importlib.util.find_spec(name) for name in _PACKAGES) else ["test_serve*.py"]


@pytest.fixture(scope="session")
def trained_to_serve(tmp_path_factory) -> TrainedHead:
    """A small head with attention, on MFCCs of half a second."""
    settings = MfccSettings(clips=ClipsSettings(seconds=0.5), n_fft=512, delta_orders=[0, 1])
    head = {"model": "gru", "hidden_size": 6, "num_layers": 1, "attention": "dot"}
    return train_on_recordings(tmp_path_factory.mktemp("served"), settings, head)


@pytest.fixture(scope="session")
def predictor(trained_to_serve) -> Predictor:
    """The same, ready to predict."""
    folders = run_folders(trained_to_serve.folder)
    return open_head("small", folders, trained_to_serve.settings, torch.device("cpu"))


@pytest.fixture(scope="session")
def pack(trained_to_serve: TrainedHead, tmp_path_factory) -> Path:
    """The same, packed."""
    path = tmp_path_factory.mktemp("packs") / "voices"
    folders = run_folders(trained_to_serve.folder)
    write_pack(path, describe_runs("small", folders, trained_to_serve.settings), folders, "# small\n")
    return path
