"""Text of corpora, of colleagues and of files on a terminal: control characters are shown, and obeyed by nobody."""

import re
from typing import TextIO

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""A text without characters that move the cursor, change colours or turn the direction of writing.

    >>> visible("calm\x1b[2J")
    'calm\\x1b[2J'
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class VisibleStream:
    """A stream of text that writes `visible` text.

    Args:
        stream: where it goes.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(visible(text))

    def __getattr__(self, name: str):
        return getattr(self._stream, name)
