"""The one exception a user is meant to read, and the phrases its messages share."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can fix: what is wrong, where, and what to do, in one message.

    Stages and the command line print it as it is and exit with status 1; anything else is a bug of ours.
    """


def listed(items: list[str], most: int = 10) -> str:
    """Join items as indented lines, at most ``most`` of them, and say how many were left out."""
    lines = [f"  {item}" for item in items[:most]]
    if len(items) > most:
        lines.append(f"  ... and {len(items) - most} more")
    return "\n".join(lines)


def nearest(name: str, valid: Iterable) -> str:
    """``; did you mean 'x'?`` for the valid name nearest to a misspelt one, or nothing."""
    close = difflib.get_close_matches(str(name), [str(candidate) for candidate in valid], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
