"""What `dvc gc` keeps of a colleague's work, as docs/sharing.md says."""

import shutil

import pytest

pytestmark = pytest.mark.extras


@pytest.mark.parametrize("remote", ["folder"], indirect=True)
def test_only_all_commits_keeps_what_colleagues_have_on_branches_of_their_own(anna, clone, remote, tmp_path):
    remote.add_to(anna)
    anna.run("dvc", "push")
    anna.commit()
    before = remote.files()
    ben = clone(anna, "ben")
    ben.git("checkout", "--quiet", "-b", "ben")
    (ben.folder / "result.bin").write_text("Ben's work")
    ben.run("dvc", "add", "result.bin")
    ben.run("dvc", "push", "result.bin")
    ben.commit()
    (his,) = set(remote.files()) - set(before)
    anna.git("fetch", "--quiet", str(ben.folder), "ben:refs/remotes/ben/ben")

    anna.run("dvc", "gc", "--all-commits", "--cloud", "--force")
    assert his in remote.files()
    anna.run("dvc", "gc", "--all-branches", "--all-tags", "--cloud", "--force")
    assert his not in remote.files()

    shared = tmp_path / "cache"
    shutil.copytree(anna.folder / ".dvc/cache", shared)
    for project in (anna, ben):
        project.run("dvc", "cache", "dir", "--local", str(shared))
    ben.run("dvc", "commit", "--force", "result.bin")
    assert holds(shared, his)
    anna.run("dvc", "gc", "--workspace", "--projects", str(ben.folder), "--force")
    assert holds(shared, his)
    anna.run("dvc", "gc", "--workspace", "--force")
    assert not holds(shared, his)


def holds(cache, name: str) -> bool:
    return (cache / "files/md5" / name[:2] / name[2:]).exists()
