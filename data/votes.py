"""Annotators' votes: ``neu:2 hap:1`` in a manifest's column ``votes`` -> the share of each class."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from data.errors import UserError


def format_votes(codes: Iterable[str]) -> str:
    """How often each code was chosen, the most frequent first: ``neu:2 hap:1``; nothing without votes."""
    codes = list(codes)
    counts = sorted(((codes.count(code), code) for code in set(codes)), key=lambda pair: (-pair[0], pair[1]))
    return " ".join(f"{code}:{count}" for count, code in counts)


def parse_votes(votes: str) -> dict[str, float]:
    """The inverse of `format_votes`; a code may have colons of its own, as in joined corpora.

    Raises:
        UserError: no such text.
    """
    counts = {}
    for vote in votes.split():
        code, _, count = vote.rpartition(":")
        try:
            counts[code] = counts.get(code, 0.0) + float(count)
        except ValueError:
            raise UserError(f"votes: cannot read {vote!r}; expected code:number, such as neu:2 hap:1") from None
        if not code or not 0 <= counts[code] < np.inf:
            raise UserError(f"votes: cannot read {vote!r}; expected code:number, such as neu:2 hap:1")
    return counts


def qualify_votes(corpus: str, votes: str) -> str:
    """The same votes for ``<corpus>:<code>``."""
    return " ".join(f"{corpus}:{vote}" for vote in votes.split())


def vote_shares(votes: pd.Series, classes: Mapping[str, list[str]]) -> pd.DataFrame:
    """The share of votes for each class.

    Votes for codes that belong to no class are dropped; the others add up to one.

    Args:
        votes: texts [N].
        classes: class -> codes.

    Returns:
        [N, C] with the index of ``votes``, columns in the order of the classes; NaN where no vote is left.
    """
    counts = [parse_votes(text) for text in votes]
    table = pd.DataFrame(
        {name: [sum(of_one.get(code, 0.0) for code in codes) for of_one in counts] for name, codes in classes.items()},
        index=votes.index,
        dtype=float,
    )
    totals = table.sum(axis="columns")
    return table.div(totals.where(totals > 0), axis="index")
