"""The benchmark of GPUs runs where there is none, so that it does not fail first where time on a card is paid for."""

import json
import subprocess
import sys

import pytest
import torch

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "benchmarks.gpu"]


def test_the_same_code_on_the_cpu_finds_everything_right():
    done = subprocess.run([*COMMAND, "--device", "cpu", "--small"], capture_output=True, text=True)
    results = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert not [name for name, section in results.items() if isinstance(section, dict) and "skipped" in section]
    assert results["encoder_speed"]["float32"]["batch_1"]["clips_per_second"] > 0
    assert results["training_check"]["enhanced_gru"]["right"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_measures_nothing():
    done = subprocess.run(COMMAND, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No GPU: torch sees none here, so nothing was measured.")
