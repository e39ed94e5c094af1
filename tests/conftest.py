"""Small real things that the tests share: corpora, features, projects."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from data.synthesis import write_demo_corpus
from tests.builders import write_features

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def demo_corpus(tmp_path_factory) -> Path:
    """An IEMOCAP-shaped tree of 40 utterances. Read only."""
    root = tmp_path_factory.mktemp("demo") / "corpus"
    write_demo_corpus(root, utterances=40, seed=3)
    return root


@pytest.fixture(scope="session")
def feature_folder(tmp_path_factory) -> Path:
    """A feature set of 60 utterances by 6 speakers whose class moves the frames: easy to learn. Read only."""
    return write_features(tmp_path_factory.mktemp("features") / "easy")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    np.random.seed(0)
