"""Stages start quickly: what takes seconds to import is imported where it is needed."""

import subprocess
import sys

import pytest

from tests.builders import REPOSITORY

SLOW = {"torch", "torchaudio", "transformers", "sklearn", "scipy", "matplotlib", "dvc", "opensmile"}


@pytest.mark.parametrize(
    ("stages", "needed"),
    [
        (["manifest", "split", "join_manifests", "join_features", "preprocess"], set()),
        (["evaluate", "compare"], {"sklearn", "scipy", "matplotlib"}),
        (["check", "code", "extract", "train"], {"torch", "dvc"}),  # train by way of DVCLive
    ],
    ids=lambda value: " ".join(sorted(value)),
)
def test_a_stage_imports_nothing_slow_that_it_does_not_need(stages, needed):
    modules = ", ".join(f"stages.{stage}" for stage in stages)
    script = f"import sys, {modules}; print(*({SLOW!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= needed
