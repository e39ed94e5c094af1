"""Utterances by how long they are."""

import bisect
from itertools import pairwise

_LIMITS = (1, 2, 3, 5, 10)  # seconds; a duration belongs to the first limit that it does not exceed

DURATIONS = [
    f"up to {_LIMITS[0]} s",
    *(f"{low} to {high} s" for low, high in pairwise(_LIMITS)),
    f"over {_LIMITS[-1]} s",
]
"""The names of all durations, ascending."""


def duration_name(seconds: float) -> str:
    """Which of `DURATIONS` an utterance has.

    >>> duration_name(1.0), duration_name(1.01), duration_name(60)
    ('up to 1 s', '1 to 2 s', 'over 10 s')
    """
    return DURATIONS[bisect.bisect_left(_LIMITS, seconds)]
