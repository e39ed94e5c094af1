"""docs/slurm.sbatch is a script that a shell can read."""

import subprocess

from tests.builders import REPOSITORY


def test_the_batch_script_is_valid_and_starts_what_the_page_says():
    script = REPOSITORY / "docs/slurm.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    assert "ray symmetric-run" in script.read_text()
    assert "(slurm.sbatch)" in (REPOSITORY / "docs/scaling.md").read_text()
