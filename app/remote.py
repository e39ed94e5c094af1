"""A DVC remote of any kind: which files are in it, and how large they are. Nothing of them is downloaded."""

import json
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TypeVar

from data.errors import UserError, nearest

_Answer = TypeVar("_Answer")


class Remote:
    """One of the project's remotes, read through DVC's own access to it.

    Args:
        name: as in ``dvc remote list``; None for the default one.

    Raises:
        UserError: there is no such remote.
    """

    def __init__(self, name: str | None):
        from dvc.repo import Repo  # takes a while

        self._repo = Repo()
        config = self._repo.config
        names = list(config["remote"])
        self.name = name or config["core"].get("remote")
        if not names:
            raise UserError(
                "this project has no remote. Add one: dvc remote add --default team /mnt/shared/emocache (or s3://..., "
                "ssh://...; docs/sharing.md)"
            )
        if self.name is None:
            raise UserError(f"no remote is the default one; name it: ser store ls --remote {names[0]}")
        if self.name not in names:
            raise UserError(f"no remote {self.name!r}{nearest(self.name, names)} (there are {', '.join(names)})")
        self.url = config["remote"][self.name]["url"]

    @property
    def described(self) -> str:
        """Its name and address."""
        return f"{self.name} ({self.url})"

    def check_reachable(self) -> None:
        """Connect, and see that something is there.

        Raises:
            UserError: it cannot be reached or read, or is empty.
        """
        if not self._ask(lambda: self._files.fs.exists(self._files.path)):
            raise UserError(
                f"the remote {self.described} is empty or does not exist: nothing has been pushed to it yet, its "
                "address is wrong, or its disk is not mounted here"
            )

    def sizes(self, digests: Iterable[str]) -> dict[str, int]:
        """The sizes in bytes of those of some files, named by MD5, that are in the remote.

        Raises:
            UserError: it cannot be reached or read.
        """
        digests = list(digests)
        paths = [self._files.oid_to_path(digest) for digest in digests]
        found = self._ask(lambda: self._files.fs.info(paths, return_exceptions=True)) if paths else []
        sizes = {}
        for digest, info in zip(digests, found, strict=True):
            if isinstance(info, FileNotFoundError):
                continue
            if isinstance(info, Exception):
                raise self._unreachable(info)
            sizes[digest] = info["size"]
        return sizes

    def listing(self, digest: str) -> dict[str, str] | None:
        """The files of a folder, path -> MD5, by the small list that names them; None if the remote does not have it.

        Raises:
            UserError: it cannot be reached or read.
        """
        path = self._files.oid_to_path(digest)
        try:
            content = self._ask(lambda: self._files.fs.cat_file(path), missing=FileNotFoundError)
        except FileNotFoundError:
            return None
        try:
            return {str(entry["relpath"]): str(entry["md5"]) for entry in json.loads(content)}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UserError(
                f"the remote {self.described}: {path} is damaged. Delete it there, and let whoever has the features "
                "push them again."
            ) from None

    @cached_property
    def _files(self):
        return self._ask(lambda: self._repo.cloud.get_remote_odb(self.name, "ls"))

    def _ask(self, question: Callable[[], _Answer], missing: type[Exception] | tuple = ()) -> _Answer:
        """An answer of the remote. Every kind of remote fails with exceptions of its own, so all of them are caught."""
        try:
            return question()
        except missing:
            raise
        except Exception as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> UserError:
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        return UserError(
            f"the remote {self.described} cannot be read: {reason.rstrip('.')}. Check its address (`dvc remote list`), "
            "the network, and that you have access (docs/sharing.md)."
        )
