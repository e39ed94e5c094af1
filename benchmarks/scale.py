"""What a million utterances cost beside the encoder: ``python -m benchmarks.scale --rows 1000000 --files 10000``.

Makes a real project in a temporary folder: a corpus of many utterances in as many recordings as there are files (sparse
ones, with real headers) and a table; its clips and features, a few frames of each utterance, in shards by size; and the
other outputs of the pipeline, as files of the right number. Then each step is run in a process of its own. Prints a
table and JSON: seconds of the step; seconds of processor time and the peak memory of the process, with all that Python
imports and what it needed before the step.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import report
from benchmarks.scale_project import write_project
from benchmarks.scale_steps import STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="utterances")
    parser.add_argument("--files", type=int, default=10_000, help="recordings, and about as many shards")
    parser.add_argument("--project", type=Path, help="an empty folder to keep, or one that an earlier run has filled")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="only these")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        project = (arguments.project or Path(temporary)) / "project"
        if not project.exists():
            write_project(project, arguments.rows, arguments.files)
        measured = {}
        for name in arguments.steps:
            measured[name] = run_step(name, project)
            seconds, cpu, megabytes = measured[name].values()
            print(f"{name:<24}{seconds:>9.2f} s{cpu:>9.2f} s of CPU{megabytes:>9,.0f} MB", flush=True)
    report("scale", rows=arguments.rows, files=arguments.files, steps=measured)


def run_step(name: str, project: Path) -> dict[str, float]:
    """A step in a process of its own."""
    command = [sys.executable, "-P", "-m", "benchmarks.scale_steps", name]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=project, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
