"""What a piece of work cost, in files that nothing tracks."""

import json
import subprocess
import sys

import pytest

from data.measured import peak_memory, write_measurement


def test_a_measurement_replaces_the_one_before_and_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "measured/features/hubert/Session1.json"
    for seconds in (1.5, 2.5):
        write_measurement(path, "f00d", device="cpu", seconds=seconds)
    assert json.loads(path.read_text()) == {"fingerprint": "f00d", "device": "cpu", "seconds": 2.5}
    with pytest.raises(TypeError):
        write_measurement(path, "f00d", device=object())
    assert json.loads(path.read_text())["seconds"] == 2.5
    assert list(path.parent.iterdir()) == [path]


def test_peak_memory_is_that_of_this_process():
    """It sees what was given back, and not the process that started it, as `resource.getrusage` does on Linux."""
    child = "from data.measured import peak_memory; print(peak_memory('cpu')['peak_megabytes'])"
    parent = f"""
import json, subprocess, sys
from data.measured import peak_memory
before = peak_memory("cpu")["peak_megabytes"]
allocated = bytearray(b"1" * 300_000_000)
del allocated
child = float(subprocess.check_output([sys.executable, "-c", {child!r}], text=True))
print(json.dumps([before, peak_memory("cpu")["peak_megabytes"], child]))
"""
    before, after, of_child = json.loads(subprocess.check_output([sys.executable, "-c", parent], text=True))
    assert after > before + 200
    assert of_child < after - 100
    assert peak_memory("cpu")["peak_gpu_megabytes"] is None
