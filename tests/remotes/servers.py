"""Remotes of every kind for one test: a folder, a bucket of a real S3 protocol server, a folder behind a real sshd."""

import getpass
import os
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from tests.builders import Project
from tests.programs import program

KINDS = ("folder", "s3", "ssh")
_FINAL = r"[0-9a-f]{30}(\.dir)?"
_SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/sshd.pid
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
"""


class Remote:
    """A remote for `dvc`, its files in a folder.

    Args:
        url: its address.
        options: of ``dvc remote modify``, which hold secrets and so stay local.
        folder: where its files are, on this disk.
    """

    def __init__(self, url: str, options: dict[str, str], folder: Path | None = None):
        self.url, self.options, self._folder = url, options, folder

    def files(self) -> dict[str, bytes]:
        """Name (the MD5) -> content, of all files under their final names."""
        return {path.parent.name + path.name: path.read_bytes() for path in self._paths()}

    def count(self) -> int:
        """How many files there are."""
        return len(self._paths())

    def replace(self, name: str, content: bytes) -> None:
        """Put other content under a name."""
        path = self._folder / "files/md5" / name[:2] / name[2:]
        path.chmod(0o644)
        path.write_bytes(content)

    def _paths(self) -> list[Path]:
        return [path for path in self._folder.glob("files/md5/??/*") if re.fullmatch(_FINAL, path.name)]

    def add_to(self, project: Project) -> None:
        """Make it a project's default remote, as a team lead does."""
        project.run("dvc", "remote", "add", "--default", "team", self.url)
        self.give_access(project)

    def give_access(self, project: Project) -> None:
        """Configure what each member of the team configures."""
        for name, value in self.options.items():
            project.run("dvc", "remote", "modify", "--local", "team", name, value)


class Bucket(Remote):
    """A remote in a bucket of S3."""

    def __init__(self, url: str, options: dict[str, str], bucket):
        super().__init__(url, options)
        self._bucket = bucket

    def files(self) -> dict[str, bytes]:
        return {_name(entry.key): entry.get()["Body"].read() for entry in self._bucket.objects.all()}

    def count(self) -> int:
        return sum(1 for _ in self._bucket.objects.all())

    def replace(self, name: str, content: bytes) -> None:
        (entry,) = [entry for entry in self._bucket.objects.all() if _name(entry.key) == name]
        entry.put(Body=content)


def _name(key: str) -> str:
    return "".join(key.split("/")[-2:])


@contextmanager
def serve(kind: str, folder: Path):
    """A remote of one of `KINDS`, empty; its server runs until the end of the block.

    Args:
        kind: which.
        folder: an empty one for its files.
    """
    with {"folder": _folder, "s3": _s3, "ssh": _ssh}[kind](folder) as remote:
        yield remote


@contextmanager
def _folder(folder: Path):
    yield Remote(str(folder / "store"), {}, folder / "store")


@contextmanager
def _s3(folder: Path):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {"access_key_id": "a", "secret_access_key": "b", "endpointurl": f"http://{host}:{port}"}
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    bucket = boto3.resource("s3", endpoint_url=access["endpointurl"], **keys).Bucket("emocache")
    bucket.create()
    try:
        yield Bucket("s3://emocache/store", {**access, "region": "us-east-1"}, bucket)
    finally:
        bucket.objects.all().delete()
        bucket.delete()
        server.stop()


@contextmanager
def _ssh(folder: Path):
    sshd, keygen = program("sshd", "/usr/sbin/sshd"), program("ssh-keygen")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # an sshd of root insists on it
    for key in ("host_key", "user_key"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    port = _free_port()
    (folder / "sshd_config").write_text(_SSHD.format(port=port, folder=folder))
    server = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        access = {"keyfile": str(folder / "user_key"), "user": getpass.getuser(), "port": str(port)}
        yield Remote(f"ssh://127.0.0.1{folder}/store", access, folder / "store")
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, server: subprocess.Popen) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert server.poll() is None and time.monotonic() < end, "sshd did not start"  # noqa: PT018
            time.sleep(0.05)
