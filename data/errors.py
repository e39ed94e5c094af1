"""The one exception a user is meant to read."""


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
