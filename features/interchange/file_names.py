"""What clips are called in files: readable, safe everywhere, and never two alike on any file system."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Sequence

_KEPT = frozenset("-_.+=@,")  # beside letters and digits
_MOST_BYTES = 180  # of 255 that file systems permit, so that endings fit
_CUT_BYTES = 150


def file_names(parts: Sequence[tuple[str, ...]], also_quote: str = "") -> list[str]:
    """A name for each of some things, none of which differs from another in case or in composed letters only.

    Letters, digits and ``- _ . + = @ ,`` stay as they are; all else becomes ``%`` and the hexadecimal digits of its
    UTF-8 bytes, as in addresses of the web. Names that would be too long, or too similar, end in ``~~`` and 16 digits
    of a SHA-256. So there is nothing in a name that leads to another folder, is hidden, is an option or needs quotes.

    >>> file_names([("03a01Fa",), ("03a01Fa", "room_small"), ("../b c",), ("emodb:1",)])
    ['03a01Fa', '03a01Fa~room_small', '%2E.%2Fb%20c', 'emodb%3A1']

    Args:
        parts: of each name, joined by ``~``; no two alike.
        also_quote: further characters that do not stay as they are.
    """
    names = ["~".join(_quoted(part, also_quote) for part in own) for own in parts]
    similar = Counter(_folded(name) for name in names)
    return [
        name
        if similar[_folded(name)] == 1 and len(name.encode()) <= _MOST_BYTES
        else f"{name.encode()[:_CUT_BYTES].decode(errors='ignore')}~~{_digest(own)}"
        for name, own in zip(names, parts, strict=True)
    ]


def _quoted(text: str, also_quote: str) -> str:
    is_composed = unicodedata.is_normalized("NFC", text)  # file systems may turn other text into it

    def stays(position: int, character: str) -> bool:
        if character in also_quote or (position == 0 and character in "-."):
            return False
        if character.isascii():
            return character.isalnum() or character in _KEPT
        return is_composed and character.isalnum()

    quoted = (
        character if stays(position, character) else "".join(f"%{byte:02X}" for byte in character.encode())
        for position, character in enumerate(text)
    )
    return "".join(quoted) or "%"


def _folded(name: str) -> str:
    """The same for names that some file system takes for the same."""
    return unicodedata.normalize("NFKC", name.casefold())


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
