"""File systems that can do less: without hard links, and with locks held by others."""

import fcntl
import shutil
import subprocess

import pytest

from features.store import FeatureSet
from tests.builders import Project

pytestmark = pytest.mark.extras
FEATURES = "artifacts/features/mfcc/emodb"
_SEPARATE = ("artifacts/.pieces", ".dvc/cache")
_MOUNT = 'for folder in %s; do mount --bind "$folder" "$folder" || exit 99; done; exec "$@"'


def run_without_hard_links(project: Project, *command: str) -> str:
    """Run a command where pieces, cache and outputs are on different mounts, between which nothing can be linked."""
    for folder in _SEPARATE:
        (project.folder / folder).mkdir(parents=True, exist_ok=True)
    script = ["unshare", "--map-root-user", "--mount", "sh", "-c", _MOUNT % " ".join(_SEPARATE), "sh"]
    if subprocess.run([*script, "true"], cwd=project.folder, capture_output=True).returncode:
        pytest.skip("this system does not let tests mount folders")
    return project.run(*script, *command)


def test_without_hard_links_everything_is_copied_and_the_bytes_are_the_same(team_project, tmp_path):
    project = team_project.copy(tmp_path / "project")
    for folder in ("artifacts", ".dvc/cache"):
        shutil.rmtree(project.folder / folder)
    (project.folder / "dvc.lock").unlink()
    assert "2 made" in run_without_hard_links(project, "dvc", "repro", "extract@emodb-mfcc")
    assert project.bytes_below(FEATURES) == team_project.bytes_below(FEATURES)
    shards = (project.folder / "artifacts").rglob("*.h5")
    assert {path.stat().st_nlink for path in shards} == {1}
    for folder in (FEATURES, "artifacts/.pieces"):
        shutil.rmtree(project.folder / folder)
    assert "2 kept, 0 made" in run_without_hard_links(
        project, "dvc", "repro", "--no-run-cache", "--force", "--single-item", "extract@emodb-mfcc"
    )


def test_features_are_read_without_locks(team_project):
    """NFS may have none, and files are never changed in place."""
    shards = sorted((team_project.folder / FEATURES).glob("*.h5"))
    with shards[0].open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert len(FeatureSet(shards[0].parent).ids) == 14
