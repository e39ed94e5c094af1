"""How two feature sets differ: utterances, frames, and what made them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from data.shards import content_digest
from features.index import describe_differences
from features.store import FeatureSet

INTERCHANGEABLE = 0.999  # the cosine of frames that the same recipe gives on another machine is at least this
MOST_APART = 0.1  # root mean square of a dimension's differences, in its standard deviations; bfloat16 makes it 0.03


@dataclass
class LayerDifference:
    """How far the frames of one layer lie apart, over the clips that differ.

    Attributes:
        layer: its number.
        frames: how many were compared.
        lowest_cosine: of a frame of the one set and the same frame of the other.
        lowest_clip: the clip that has it.
        mean_cosine: over all frames compared.
        largest: difference of two values, in standard deviations that their dimension has in the first set's frames
            compared; None if nothing varies.
        most_apart: of all dimensions, the largest root mean square of the differences of values, in standard deviations
            that the dimension has in the first set's frames compared, or where it does not vary, as a share of its
            value. A cosine does not see it where another dimension's values are far larger.
        dimension: the one that has it, from 0.
    """

    layer: int
    frames: int
    lowest_cosine: float
    lowest_clip: str
    mean_cosine: float
    largest: float | None
    most_apart: float
    dimension: int

    @property
    def is_close(self) -> bool:
        """Whether no frame's cosine is below `INTERCHANGEABLE` and no dimension is further apart than `MOST_APART`."""
        return self.lowest_cosine >= INTERCHANGEABLE and self.most_apart <= MOST_APART


@dataclass
class Difference:
    """How two feature sets differ.

    Attributes:
        only_first, only_second: clips that are only in one of them, by their keys.
        skipped_only_first, skipped_only_second: ids of utterances that only one of them has skipped.
        other_lengths: clips that have other numbers of frames: key -> both.
        other_seconds: utterances of other durations: id -> both.
        equal: how many clips are the same to the bit.
        differing: the clips in both that are not, among those of the same lengths.
        layers_only_first, layers_only_second: layers that are only in one of them.
        dimensions: of both.
        layers: what differs, of each layer that is in both; empty if nothing does.
        recipes, provenances: in what they differ, in words; empty if they don't.
    """

    only_first: list[str]
    only_second: list[str]
    layers_only_first: list[int]
    layers_only_second: list[int]
    dimensions: tuple[int, int]
    skipped_only_first: list[str]
    skipped_only_second: list[str]
    recipes: str
    provenances: str
    other_lengths: dict[str, tuple[int, int]] = field(default_factory=dict)
    other_seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    equal: int = 0
    differing: list[str] = field(default_factory=list)
    layers: list[LayerDifference] = field(default_factory=list)

    @property
    def is_comparable(self) -> bool:
        """Whether there are layers of the same dimension in both."""
        return self.dimensions[0] == self.dimensions[1] and bool(self.layers or self.equal or self.other_lengths)

    @property
    def same_clips(self) -> bool:
        """Whether both have the same clips, of the same lengths, and the same layers."""
        lists = (self.only_first, self.only_second, self.layers_only_first, self.layers_only_second)
        return not any(lists) and not self.other_lengths

    @property
    def are_equal(self) -> bool:
        """Whether all frames are the same to the bit, as are durations, skipped utterances and recipes; what made them
        need not be."""
        skipped = self.skipped_only_first or self.skipped_only_second
        return self.same_clips and not (self.differing or self.other_seconds or skipped or self.recipes)

    @property
    def are_interchangeable(self) -> bool:
        """Whether one can stand for the other: the same clips, and frames that are close."""
        return self.is_comparable and self.same_clips and self.is_close

    @property
    def is_close(self) -> bool:
        """Whether all layers that both have are close."""
        return all(layer.is_close for layer in self.layers)


def compare_features(
    first: FeatureSet, second: FeatureSet, names: tuple[str, str], on_clip: Callable[[], None] = lambda: None
) -> Difference:
    """Compare two sets, clip by clip; one clip of each is in memory at a time.

    Args:
        first, second: the sets. Shards with the same SHA-256 are not read again.
        names: of both, for what is said of their recipes.
        on_clip: called for every clip that both have.
    """
    common = [layer for layer in first.layers if layer in second.layers]
    difference = Difference(
        only_first=[key for key in first.locations if key not in second.locations],
        only_second=[key for key in second.locations if key not in first.locations],
        layers_only_first=[layer for layer in first.layers if layer not in common],
        layers_only_second=[layer for layer in second.layers if layer not in common],
        skipped_only_first=sorted(first.skipped - second.skipped),
        skipped_only_second=sorted(second.skipped - first.skipped),
        other_seconds={
            name: (seconds, second.seconds[name])
            for name, seconds in first.seconds.items()
            if second.seconds.get(name, seconds) != seconds
        },
        dimensions=(first.dimension, second.dimension),
        recipes=_differences(names, [first.recipe, second.recipe]),
        provenances=_differences(names, [_summary(first), _summary(second)]),
    )
    if first.dimension != second.dimension or not common:
        return difference
    digests = [[content_digest(shard.path) for shard in features.shards] for features in (first, second)]
    comparisons = {layer: _LayerComparison(layer, first.dimension) for layer in common}
    for key in first.locations:
        if key not in second.locations:
            continue
        places = first.locations[key], second.locations[key]
        if (lengths := (first.num_frames(key), second.num_frames(key))) and lengths[0] != lengths[1]:
            difference.other_lengths[key] = lengths
        elif digests[0][places[0].shard] == digests[1][places[1].shard]:
            difference.equal += 1
        else:
            pairs = {layer: (first.frames(key, layer), second.frames(key, layer)) for layer in common}
            if all(_same_bits(*pair) for pair in pairs.values()):
                difference.equal += 1
            else:
                difference.differing.append(key)
                for layer, pair in pairs.items():
                    comparisons[layer].add(key, *pair)
        on_clip()
    if difference.differing:
        difference.layers = [comparison.result() for comparison in comparisons.values()]
    return difference


class _LayerComparison:
    """Gathers how far frames of one layer lie apart."""

    def __init__(self, layer: int, dimension: int):
        self._layer = layer
        self._count, self._cosines = 0, 0.0
        self._lowest, self._lowest_clip = np.inf, ""
        self._sum, self._squares, self._largest, self._errors = (np.zeros(dimension) for _ in range(4))

    def add(self, key: str, first: np.ndarray, second: np.ndarray) -> None:
        """Take in the frames [T, D] of a clip."""
        first, second = first.astype(np.float64), second.astype(np.float64)
        cosines = _cosines(first, second)
        self._count += len(first)
        self._cosines += float(cosines.sum())
        if cosines.min() < self._lowest:
            self._lowest, self._lowest_clip = float(cosines.min()), key
        self._sum += first.sum(axis=0)
        self._squares += (first**2).sum(axis=0)
        self._largest = np.maximum(self._largest, np.abs(first - second).max(axis=0))
        self._errors += ((first - second) ** 2).sum(axis=0)

    def result(self) -> LayerDifference:
        mean = self._sum / self._count
        deviation = np.sqrt(np.maximum(self._squares / self._count - mean**2, 0))
        varies = deviation > 1e-6 * (np.abs(mean) + 1e-6)
        scale = np.where(varies, deviation, np.abs(mean))  # 0 where the first set has zeros only: the cosine judges
        apart = np.divide(np.sqrt(self._errors / self._count), scale, out=np.zeros_like(scale), where=scale > 0)
        return LayerDifference(
            layer=self._layer,
            frames=self._count,
            lowest_cosine=self._lowest,
            lowest_clip=self._lowest_clip,
            mean_cosine=self._cosines / self._count,
            largest=float((self._largest[varies] / deviation[varies]).max()) if varies.any() else None,
            most_apart=float(apart.max()),
            dimension=int(apart.argmax()),
        )


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of frames [T, D], one each [T]; 1 of two frames of zeros, 0 of a frame of zeros and another."""
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    products = np.einsum("td,td->t", first, second)
    both_zero = ~first.any(axis=1) & ~second.any(axis=1)
    return np.where(both_zero, 1.0, np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0))


def _same_bits(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether frames of the same shape are of the same type, too, and the same to the bit."""
    bits = f"u{first.dtype.itemsize}"
    return first.dtype == second.dtype and np.array_equal(first.view(bits), second.view(bits))


def _differences(names: tuple[str, str], descriptions: list[dict]) -> str:
    return describe_differences(dict(zip(names, descriptions, strict=True)))


def _summary(features: FeatureSet) -> dict[str, str]:
    """What made a set: of each part of its provenance all values that its shards have."""
    values: dict[str, dict[str, None]] = {}
    for provenance in features.provenance.values():
        for name, value in provenance.items():
            for part, own in value.items() if isinstance(value, dict) else [("", value)]:
                values.setdefault(f"{name}.{part}" if part else name, {})[str(own)] = None
    return {name: " and ".join(found) for name, found in sorted(values.items())}
