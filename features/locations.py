"""Where every clip of a feature set is: one dictionary of keys, as there may be millions; the rest is computed."""

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.clip_keys import keys_of
from data.shards import Shard


@dataclass(frozen=True, slots=True)
class Location:
    """Where a clip's frames are: of which utterance, in which shard, as which of its clips, in which rows."""

    id: str
    shard: int
    index: int
    start: int
    stop: int


class Locations(Mapping[str, Location]):
    """The `Location` of every clip by its key, in the order of the shards.

    Args:
        shards: each with what precedes its ids, ``emodb:`` or nothing.
    """

    def __init__(self, shards: Sequence[tuple[str, Shard]]):
        self._shards = shards
        self._firsts = [0, *itertools.accumulate(len(shard.ids) for _, shard in shards)]  # of each shard's clips
        self._numbers: dict[str, int] = {}  # key -> which of all clips it is
        for keys, first in zip(self._keys(), self._firsts, strict=False):
            self._numbers.update(zip(keys, itertools.count(first), strict=False))

    def find_duplicate(self) -> tuple[str, Shard, Shard] | None:
        """The utterance of two clips that have one key, and their shards; None if all keys differ."""
        if len(self._numbers) == self._firsts[-1]:
            return None
        seen: dict[str, Shard] = {}
        for keys, (prefix, shard) in zip(self._keys(), self._shards, strict=True):
            for key, name in zip(keys, shard.ids, strict=True):
                if key in seen:
                    return prefix + name, seen[key], shard
                seen[key] = shard
        return None

    def _keys(self) -> Iterator[list[str]]:
        """The keys of every shard's clips."""
        return ([prefix + key for key in keys_of(shard)] for prefix, shard in self._shards)

    def __getitem__(self, key: str) -> Location:
        number = self._numbers[key]
        position = bisect_right(self._firsts, number) - 1
        index = number - self._firsts[position]
        prefix, shard = self._shards[position]
        start, stop = shard.offsets[index : index + 2].tolist()
        return Location(prefix + shard.ids[index], position, index, start, stop)

    def __contains__(self, key: object) -> bool:
        return key in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
