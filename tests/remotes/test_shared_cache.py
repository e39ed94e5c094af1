"""One cache folder for several users of a machine: nobody encodes twice, nobody can change what is another's."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from tests.builders import Project, write_emodb

pytestmark = pytest.mark.extras
FEATURES = "artifacts/features/mfcc/emodb"
GROUP, USERS = 20000, {"anna": 20001, "ben": 20002}
PER_SPEAKER = 7


class Member(Project):
    """A project that a Unix user of its own works in, if the tests run as root; else under a umask that shares nothing.

    The user may read everything, as Python may be installed where only root may look, but write only what is its own.
    """

    def run(self, *command: str, ok: bool | None = True) -> str:
        reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        user = ["setpriv", f"--reuid={USERS[self.folder.name]}", f"--regid={GROUP}", "--clear-groups", *reading]
        git = f"GIT_CONFIG_GLOBAL={self.folder.parent / 'gitconfig'}"
        own = ["env", f"HOME={self.folder}", f"USER={self.folder.name}", git]
        as_user = [*user, *own] if os.geteuid() == 0 else []
        return super().run(*as_user, "sh", "-c", 'umask 077; exec "$@"', "sh", *command, ok=ok)

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
        self.run("sh", "-c", 'umask 022; exec git "$@"', "git", *identity, *arguments)  # users pull from each other

    def own(self) -> None:
        """Give everything in the folder to its user."""
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, USERS[self.folder.name], GROUP, follow_symlinks=False)

    def share(self, cache: Path) -> None:
        """Use the team's cache, as docs/sharing.md says."""
        self.run("dvc", "cache", "dir", "--local", str(cache))
        self.run("dvc", "config", "--local", "cache.shared", "group")


@pytest.fixture
def machine():
    """A folder that all users of the machine can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "gitconfig").write_text("[safe]\n  directory = *\n")  # users clone from each other
    yield folder
    shutil.rmtree(folder)


def test_users_of_a_machine_share_a_cache_that_none_of_them_can_damage(team_project, machine):
    cache = machine / "cache"
    cache.mkdir()
    if os.geteuid() == 0:
        os.chown(cache, 0, GROUP)
    cache.chmod(0o2775)
    anna, ben = Member(machine / "anna"), Member(machine / "ben")
    team_project.copy(anna.folder)
    for folder in ("artifacts", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(anna.folder / folder)
    (anna.folder / "dvc.lock").unlink()  # nothing is shared yet
    anna.own()
    anna.share(cache)
    assert "clips encoded" in anna.run("dvc", "repro", "extract@emodb-mfcc")
    anna.commit()

    ben.folder.mkdir()
    ben.own()
    ben.git("clone", "--quiet", str(anna.folder), ".")
    ben.share(cache)
    ben.run("dvc", "checkout", "extract@emodb-mfcc")
    assert ben.bytes_below(FEATURES) == anna.bytes_below(FEATURES)
    shutil.copytree(anna.folder / "corpora", ben.folder / "corpora")
    write_emodb(ben.folder / "corpora/emodb", speakers=("09",), sentences=("a01",))
    ben.own()
    assert f" {PER_SPEAKER} clips encoded" in ben.run("dvc", "repro", "extract@emodb-mfcc")
    ben.commit()

    anna.git("pull", "--quiet", str(ben.folder), "HEAD")
    anna.run("dvc", "checkout", "extract@emodb-mfcc")
    assert anna.bytes_below(FEATURES) == ben.bytes_below(FEATURES)
    assert len(list((anna.folder / FEATURES).glob("*.h5"))) == 3

    files = [path for path in (cache / "files").rglob("*") if path.is_file()]
    folders = [path for path in cache.rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o444}
    assert {stat.S_IMODE(path.stat().st_mode) & 0o070 for path in folders} == {0o070}
    owners = {path.stat().st_uid for path in files}
    assert owners == (set(USERS.values()) if os.geteuid() == 0 else {os.geteuid()})
