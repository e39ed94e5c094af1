"""A hundred thousand utterances in a thousand recordings: no step takes long or much memory beside the encoder.

The limits are several times what a quiet machine of two cores needs, and less than a step of quadratic time would take.
`python -m benchmarks.scale` does the same with a million.
"""

import pytest

from benchmarks.scale import run_step
from benchmarks.scale_project import write_project

ROWS, FILES = 100_000, 1000
LIMITS = {  # seconds, megabytes with all that Python imports
    "manifest_stage": (60, 900),
    "split_stage": (60, 900),
    "read_manifest": (10, 600),
    "dvc_status": (30, 600),
    "dvc_repro": (30, 600),
    "open_store": (15, 500),
    "open_store_verified": (30, 500),
    "gather": (20, 1500),
    "usable_splits": (20, 1500),
}


@pytest.mark.slow
def test_a_hundred_thousand_utterances_take_no_step_long(tmp_path):
    write_project(tmp_path / "project", ROWS, FILES)
    measured = {step: run_step(step, tmp_path / "project") for step in LIMITS}
    beyond = {
        step: measured[step]
        for step, (seconds, megabytes) in LIMITS.items()
        if measured[step]["seconds"] > seconds or measured[step]["megabytes"] > megabytes
    }
    assert not beyond
