"""Shards by size: runs of utterances in the order of their ids, cut where adding a recording moves almost nothing."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

ShardSize = Annotated[int, Field(ge=1)] | Literal["auto"]
"""``corpora.<name>.shards``: ``auto``, as the corpus's reader says (a session or a speaker), or the most utterances."""

_MANY, _LARGE = 10_000, 20_000  # shards; utterances of one, 4.6 GB of one layer of HuBERT-base where clips are 3 s
_USUAL = 1000  # utterances of a shard, if someone has to choose
_FIRST = 0  # in place of a hash, in the name of the run that begins with the first id


def shards_by_size(ids: Sequence[str], most: int) -> list[str]:
    """The shard of every utterance.

    Sorted ids are one run. A run that is too long is cut before the id with the smallest hash, and so are its parts. A
    shard is named by the hash of the id that begins it, so its name does not change when others come before it. An
    additional id moves utterances of the run it falls into, and seldom of the runs beside it: the cuts elsewhere stay.

    Args:
        ids: distinct, in any order [N].
        most: utterances of a shard; on average it has half as many.

    Returns:
        Names such as ``part-00fc85d2b1a09e37`` [N].
    """
    order = sorted(range(len(ids)), key=ids.__getitem__)
    hashes = np.array([_hash(ids[index]) for index in order], np.uint64)
    names = [""] * len(ids)
    runs = [(0, len(ids), _FIRST)] if ids else []
    while runs:
        start, stop, first = runs.pop()
        if stop - start <= most:
            for index in order[start:stop]:
                names[index] = f"part-{first:016x}"
            continue
        cut = start + 1 + int(hashes[start + 1 : stop].argmin())
        runs += [(start, cut, first), (cut, stop, int(hashes[cut]))]
    return names


def sharding_notes(corpus: str, shards: pd.Series) -> list[str]:
    """What to know of a corpus whose reader's shards are too many or too large to be handled well.

    Args:
        corpus: its name.
        shards: of every utterance.
    """
    counts, notes = shards.value_counts(), []
    advice = f"corpora.{corpus}.shards: {_USUAL} cuts by size, whoever speaks"
    if len(counts) > _MANY:
        notes.append(f"{len(counts):,} shards, and each step of DVC takes longer with each of them; {advice}")
    if counts.max() > _LARGE:
        notes.append(
            f"{counts.max():,} utterances are in one shard ({counts.idxmax()}), whose files are written, pushed and "
            f"pulled as a whole; {advice}"
        )
    return notes


def _hash(identifier: str) -> int:
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=8).digest(), "big")
