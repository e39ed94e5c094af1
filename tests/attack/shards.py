"""Damage a small shard in every way there is, seal it again as if it had been written so, and read it.

``python -m tests.attack.shards`` flips every byte of a shard of features and of one of clips with several masks, and
cuts them at every length; it prints how the attempts ended.
"""

import argparse
import collections
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from app.store_listing import describe_features, list_store
from data.clips import ClipsSettings, clips_writer, open_clips, read_samples
from data.shards import seal
from features.store import FeatureSet, verify_shard
from tests.attack.isolation import Isolation, Outcome
from tests.builders import write_features

MASKS = (0x01, 0x20, 0x80, 0xFF)


def small_features(folder: Path, storage: str = "float16") -> Path:
    """A shard with all that features can have: pieces, copies, layers, texts."""
    store = folder / "features" / "hubert" / "easy"
    how = {"speakers": 1, "per_speaker": 3, "dimension": 3, "layers": (0, 1), "storage": storage}
    return next(write_features(store, **how, most_pieces=2, copies=("noisy",)).glob("*.h5"))


def small_clips(folder: Path) -> Path:
    """A shard of clips."""
    folder.mkdir(parents=True)
    lengths = [300, 200]
    how = {"ids": ["a", "b"], "lengths": lengths, "seconds": [0.02, 0.01], "recipe": ClipsSettings()}
    with clips_writer(folder / "speaker-0.h5", **how) as shard:
        for index, length in enumerate(lengths):
            shard.write(index, {"waveform": np.arange(length)})
    return folder / "speaker-0.h5"


def read_features(path: Path) -> tuple[str, list[str]]:
    """All that readers take from a shard of features, and what `ser store verify` says of it."""
    features = FeatureSet(path.parent)
    frames = [features.frames(key, layer).tobytes() for key in features.locations for layer in features.layers]
    root, name = path.parents[2], f"{path.parent.parent.name}/{path.parent.name}"
    shown = list_store(root), describe_features(root, name)
    read = frames, list(features.locations), features.seconds, features.recipe, features.provenance, shown
    return repr(read), verify_shard(path)


def read_clips(path: Path) -> tuple[str, list[str]]:
    """All that readers take from a shard of clips."""
    clips = open_clips(path)
    samples = [read_samples(clips, index).tobytes() for index in range(len(clips.ids))]
    return repr((samples, clips.ids, clips.lengths, clips.column("seconds"), clips.attributes)), []


class Damage:
    """Attempts on one shard.

    Args:
        path: the shard; it is written over.
        read: what reads it.
    """

    def __init__(self, path: Path, read: Callable[[Path], tuple[str, list[str]]]):
        self.path, self._read = path, read
        self._content, (self._expected, _) = path.read_bytes(), read(path)

    def flips(self, positions: Iterable[int], masks: Iterable[int]) -> Iterable[bytes]:
        """The file with one byte changed."""
        for position in positions:
            for mask in masks:
                changed = bytearray(self._content)
                changed[position] ^= mask
                yield bytes(changed)

    def cuts(self, lengths: Iterable[int]) -> Iterable[bytes]:
        """The file's beginning."""
        return (self._content[:length] for length in lengths)

    def ends(self, contents: Iterable[bytes]) -> tuple[collections.Counter, list[Outcome]]:
        """How attempts end: how often each way, and those that should not have.

        ``harmless``: what is read is the same. ``named``: refused, or named by `ser store verify`. ``other``: it is
        read as another file that could have been written so; only the SHA-256 that DVC has of it tells.
        """
        ways, unsafe = collections.Counter(), []
        with Isolation(self._seal_and_read, seconds=20) as isolation:
            for content in contents:
                outcome = isolation.attempt(content)
                if not outcome.is_safe:
                    unsafe.append(outcome)
                    ways[outcome.kind] += 1
                elif outcome.kind == "refused" or outcome.what[1]:
                    ways["named"] += 1
                else:
                    ways["harmless" if outcome.what[0] == self._expected else "other"] += 1
        return ways, unsafe

    def _seal_and_read(self, content: bytes) -> tuple[str, list[str]]:
        self.path.write_bytes(content)
        seal(self.path, self.path)
        return self._read(self.path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every n-th byte and length")
    every = parser.parse_args().every
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        targets = {
            "features float16": Damage(small_features(root / "float16"), read_features),
            "features int8": Damage(small_features(root / "int8", "int8"), read_features),
            "clips": Damage(small_clips(root / "clips"), read_clips),
        }
        for name, damage in targets.items():
            size = damage.path.stat().st_size
            attempts = {
                "flipped": damage.flips(range(0, size, every), MASKS),
                "cut": damage.cuts(range(0, size, every)),
            }
            for what, contents in attempts.items():
                ways, unsafe = damage.ends(contents)
                print(json.dumps({"shard": name, "bytes": size, "what": what, **ways}), flush=True)
                for outcome in unsafe[:20]:
                    print(f"  {outcome}", flush=True)


if __name__ == "__main__":
    main()
