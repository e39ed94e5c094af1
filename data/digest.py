"""What names a file's content."""

import hashlib
from pathlib import Path


def file_digest(path: Path, algorithm: str) -> str:
    """The hexadecimal digest of a file: ``sha256``, ``md5`` (as DVC names files) or ``blake2b``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def bytes_digest(content: bytes) -> str:
    """The hexadecimal BLAKE2 digest of content in memory."""
    return hashlib.blake2b(content).hexdigest()
