"""What clips are called: an utterance's id, with the copy and the piece where an utterance has several clips.

A shard of clips, or of their features, then has the columns ``piece`` (its number within the utterance, from 0) and
``copy`` (``clean``, or what was done to the recording), and an id once for each clip. The clips of an utterance follow
one another: the clean ones first, pieces in the order of time.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from data.shards import Shard

CLEAN = "clean"  # the copy to which nothing was done
PIECE, COPY = "piece", "copy"


def clip_key(identifier: str, copy: str = CLEAN, piece: int | None = None) -> str:
    """The key of a clip: the utterance's id alone where it is the utterance's only clip, or its clean one.

    >>> clip_key("03a01Fa"), clip_key("03a01Fa", piece=2), clip_key("03a01Fa", "room_small")
    ('03a01Fa', '03a01Fa (piece 2)', '03a01Fa (room_small)')
    """
    which = [*([copy] if copy != CLEAN else []), *([f"piece {piece}"] if piece is not None else [])]
    return f"{identifier} ({', '.join(which)})" if which else identifier


def clip_keys(ids: Sequence[str], columns: Mapping[str, np.ndarray]) -> list[str]:
    """The keys of clips [N], by their utterances' ids and the columns that there are of ``piece`` and ``copy``."""
    if not columns:
        return list(ids)
    copies = copies_in(columns, len(ids))
    pieces = columns[PIECE].tolist() if PIECE in columns else [None] * len(ids)
    return [clip_key(*clip) for clip in zip(ids, copies, pieces, strict=True)]


def clip_columns(shard: Shard) -> dict[str, np.ndarray]:
    """The columns ``piece`` and ``copy`` of a shard, as far as it has them."""
    return {name: shard.column(name) for name in (PIECE, COPY) if shard.has_column(name)}


def copies_in(columns: Mapping[str, np.ndarray], count: int) -> list[str]:
    """The copy that each of ``count`` clips is of."""
    return [copy.decode() for copy in columns[COPY].tolist()] if COPY in columns else [CLEAN] * count


def keys_of(shard: Shard) -> list[str]:
    """The keys of all clips of a shard, in its order."""
    return clip_keys(shard.ids, clip_columns(shard))
