"""Shards by size: never too large, and where they are cut does not depend on what else there is."""

import itertools
import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpora import AnyCorpusSettings
from data.manifest import build_manifest
from data.sharding import sharding_notes, shards_by_size
from stages.params import parse
from tests.builders import write_emodb

MOST = 50


def shard_of(ids: list[str], most: int = MOST) -> dict[str, str]:
    return dict(zip(ids, shards_by_size(ids, most), strict=True))


def members(shards: dict[str, str]) -> dict[str, list[str]]:
    found = {}
    for identifier, shard in sorted(shards.items()):
        found.setdefault(shard, []).append(identifier)
    return found


@settings(max_examples=30)
@given(st.lists(st.text(max_size=5), unique=True, max_size=60), st.integers(1, 20), st.randoms())
def test_shards_are_runs_of_sorted_ids_and_none_is_too_large(ids, most, order):
    shards = shard_of(ids, most)
    assert max(map(len, members(shards).values()), default=0) <= most
    runs = [shard for shard, _ in itertools.groupby(sorted(ids), key=shards.get)]
    assert len(runs) == len(set(runs))
    order.shuffle(ids)
    assert shard_of(ids, most) == shards


def test_an_added_recording_moves_utterances_of_few_shards():
    ids = [f"podcast-{number:05d}" for number in range(0, 20_000, 5)]
    before = shard_of(ids)
    assert 0.35 * MOST < len(ids) / len(members(before)) < 0.65 * MOST
    changed = []
    for number in random.Random(0).sample(range(1, 20_000, 5), 50):
        after = shard_of([*ids, f"podcast-{number:05d}"])
        old, new = members(before), members(after)
        changed.append(sum(old.get(shard) != utterances for shard, utterances in new.items()))
    assert max(changed) <= 4
    assert sum(changed) / len(changed) < 1.5


def test_a_batch_of_recordings_that_sort_together_changes_the_shards_at_its_place():
    ids = [f"2023/{number:05d}" for number in range(5000)] + [f"2025/{number:05d}" for number in range(5000)]
    old = members(shard_of(ids))
    new = members(shard_of(ids + [f"2024/{number:05d}" for number in range(5000)]))
    lost = [shard for shard, utterances in old.items() if new.get(shard) != utterances]
    assert len(lost) <= 4


@pytest.mark.parametrize(("size", "count"), [("auto", 5), (10, None)])
def test_a_corpus_is_in_shards_of_its_speakers_unless_it_asks_for_a_size(tmp_path, monkeypatch, size, count):
    monkeypatch.chdir(tmp_path)
    write_emodb(tmp_path / "corpora/emodb")
    rows = build_manifest("emodb", parse(AnyCorpusSettings, {"reader": "emodb", "shards": size}, "")).rows
    if count:
        assert rows.groupby("shard")["speaker"].nunique().tolist() == [1] * count
    else:
        assert rows["shard"].value_counts().max() <= size
        assert rows["shard"].str.startswith("part-").all()


@pytest.mark.parametrize(
    ("shards", "found"),
    [
        (["speaker-1"] * 900 + ["speaker-2"] * 100, []),
        (["part-00"] * 25_000 + ["part-01"], ["25,000 utterances are in one shard"]),
        ([f"speaker-{number}" for number in range(12_000)], ["12,000 shards"]),
    ],
)
def test_too_many_shards_and_too_large_ones_are_mentioned_with_what_to_do(shards, found):
    notes = sharding_notes("big", pd.Series(shards))
    assert len(notes) == len(found)
    for note, part in zip(notes, found, strict=True):
        assert part in note
        assert "corpora.big.shards: 1000" in note
