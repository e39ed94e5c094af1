"""DVC's cache of this project: which finished pieces its outputs hold, made here or by a colleague.

An output made of pieces lists them in `LIST`; DVC keeps a listing of each output's files beside the files themselves,
all of them named by their MD5.
"""

import json
import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from ruamel.yaml import YAML

from data.digest import file_digest

LIST = "pieces.json"
_LOCK = Path("dvc.lock")
_MD5 = re.compile("[0-9a-f]{32}")

Files = dict[str, Path]  # name within the piece -> cached file


class DvcCache:
    """What the cache holds, as it was when first asked."""

    @cached_property
    def root(self) -> Path | None:
        """The folder of files by MD5, wherever this project keeps it; None outside of a DVC project."""
        from dvc.exceptions import NotDvcRepoError  # DVC takes a while to import
        from dvc.repo import Repo

        try:
            with Repo() as repo:
                return Path(repo.cache.local.path)
        except NotDvcRepoError:
            return None

    @cached_property
    def pieces(self) -> dict[str, list[Files]]:
        """Piece -> its files, of every cached output that holds it; those that dvc.lock names come first.

        One piece may have several contents, all of them valid: made with another batch size, or on another machine.
        """
        listings = sorted(self.root.glob("??/*.dir")) if self.root else []
        locked = set(self._locked_listings.values())
        pieces: dict[str, list[Files]] = {}
        for listing in sorted(listings, key=lambda path: path not in locked):
            for name, files in self._pieces_of(listing).items():
                pieces.setdefault(name, []).append(files)
        return pieces

    def holds(self, piece: str) -> bool:
        """Whether the cache has all files of a piece."""
        return any(_complete(files) for files in self.pieces.get(piece, []))

    def files(self, piece: str) -> Files | None:
        """A piece's files, undamaged, from the output that dvc.lock names where that has it; None if there are none.

        Damaged files are removed, as DVC does when it finds one: they are not what their names say.
        """
        for files in filter(_complete, self.pieces.get(piece, [])):
            damaged = [path for path in files.values() if file_digest(path, "md5") != path.parent.name + path.name]
            for path in damaged:
                path.unlink(missing_ok=True)
            if not damaged:
                return files
        return None

    def current_pieces(self, output: Path) -> list[str]:
        """The pieces of a stage's output as it is: in its folder or, where DVC has cleared that away, in dvc.lock."""
        if (listing := output / LIST).is_file():
            with suppress(ValueError, OSError, RecursionError):
                pieces = json.loads(listing.read_text())
                return list(pieces) if isinstance(pieces, dict) else []
        return self.locked_pieces(output)

    def locked_pieces(self, output: Path) -> list[str]:
        """The pieces of an output as dvc.lock names it, where the cache has its list of them."""
        listing = self._locked_listings.get(output.as_posix())
        return list(self._pieces_of(listing)) if listing else []

    def locked_digest(self, output: Path) -> str | None:
        """The MD5 of an output that dvc.lock names; of a folder, its listing's."""
        return self._locked.get(output.as_posix())

    def has_output(self, output: Path) -> bool:
        """Whether the cache has all of an output that dvc.lock names, a file or a folder."""
        if listing := self._locked_listings.get(output.as_posix()):
            return _complete(self._files_of(listing))
        digest = self._locked.get(output.as_posix())
        return bool(self.root and digest) and (self.root / digest[:2] / digest[2:]).is_file()

    @property
    def is_shared(self) -> bool:
        """Whether the cache is outside of this project's folder, where others use it, too."""
        return self.root is not None and Path.cwd() not in self.root.parents

    def remove(self, piece: str) -> None:
        """Remove all contents of a piece."""
        for files in self.pieces.get(piece, []):
            for path in files.values():
                path.unlink(missing_ok=True)

    def remove_copy(self, path: Path) -> None:
        """Remove what dvc.lock names as this file of an output."""
        listing = self._locked_listings.get(path.parent.as_posix())
        if listing is not None and (copy := self._files_of(listing).get(path.name)):
            copy.unlink(missing_ok=True)

    @cached_property
    def _locked(self) -> dict[str, str]:
        """Output -> its MD5, as dvc.lock names it."""
        if not _LOCK.exists():
            return {}
        stages = (YAML(typ="safe").load(_LOCK) or {}).get("stages", {})
        outputs = [output for stage in stages.values() for output in stage.get("outs", [])]
        return {output["path"]: output.get("md5", "") for output in outputs}

    @cached_property
    def _locked_listings(self) -> dict[str, Path]:
        """Output folder -> its listing in the cache, as dvc.lock names it."""
        if self.root is None:
            return {}
        return {
            output: self._cached(digest.removesuffix(".dir"), ".dir")
            for output, digest in self._locked.items()
            if digest.endswith(".dir") and _MD5.fullmatch(digest.removesuffix(".dir"))
        }

    def _cached(self, digest: str, suffix: str = "") -> Path:
        """Where the cache keeps a file.

        Raises:
            ValueError: the digest is no MD5; it comes from a file, and must not lead elsewhere.
        """
        if not _MD5.fullmatch(digest):
            raise ValueError(f"{digest!r} is no MD5")
        return self.root / digest[:2] / (digest[2:] + suffix)

    def _pieces_of(self, listing: Path) -> dict[str, Files]:
        """The pieces of a cached output, by the list in it; without those that would write outside of their folder."""
        with suppress(ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
            cached = self._files_of(listing)
            pieces = json.loads(cached[LIST].read_text())
            return {
                name: {within: cached[relative] for within, relative in files.items()}
                for name, files in pieces.items()
                if _is_plain(name) and all(_is_plain(part) for within in files for part in within.split("/"))
            }
        return {}

    def _files_of(self, listing: Path) -> Files:
        """The cached files of an output, by their path in it."""
        with suppress(ValueError, KeyError, TypeError, OSError, RecursionError):
            entries = json.loads(listing.read_text())
            return {entry["relpath"]: self._cached(entry["md5"]) for entry in entries}
        return {}


def _is_plain(name: str) -> bool:
    """Whether a name stays in its folder; lists come from colleagues."""
    return name not in ("", ".", "..") and not set(name) & set("/\\\0") and len(name.encode()) <= 255


def _complete(files: Files) -> bool:
    return bool(files) and all(path.is_file() for path in files.values())
