"""artifacts/clips/<corpus>/<set> -> artifacts/features/<set>/<corpus>/<shard>.h5, and its index."""

import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from data.json_files import write_json
from data.measured import write_measurement
from data.not_wanted import mark_not_wanted, why_not_wanted
from data.shards import Shard
from data.skipped import copy_skipped
from engines.local import keep_to_one_thread
from features.device import all_like
from features.encoder import Encoder
from features.extraction import ShardJob, content_of, open_shards
from features.index import describe_store
from features.kinds import open_encoder
from features.settings import KindSettings
from features.shared_extraction import Cost, choose_workers, extract_on_devices, extract_shards
from features.store import FeatureSet
from stages.donors import Donors
from stages.layout import ARTIFACTS, clips_folder, features_folder, features_index
from stages.pieces import Piece, fingerprint, make_pieces
from stages.running import run_stage
from stages.runtime import RuntimeSettings
from stages.schema import read_params


def main(corpus: str, feature_set: str) -> None:
    clips, output = clips_folder(corpus, feature_set), features_folder(corpus, feature_set)
    if reason := why_not_wanted(clips):
        mark_not_wanted(output, reason)
        print(f"extract {feature_set} of {corpus}: nothing to do: {reason}")
    else:
        _extract(corpus, feature_set)
    source = read_params().features[feature_set].source_folder(feature_set, corpus)
    write_json(features_index(corpus, feature_set), describe_store(output, source, _recordings(feature_set)))


def _extract(corpus: str, feature_set: str) -> None:
    params = read_params()
    settings, runtime = params.features[feature_set], params.runtime
    source, output = clips_folder(corpus, feature_set), features_folder(corpus, feature_set)
    name, measured = f"extract {feature_set} of {corpus}", ARTIFACTS / "measured/features" / feature_set / corpus
    keep_to_one_thread()
    folder = settings.source_folder(feature_set, corpus)
    encoder = open_encoder(settings, runtime.choose_device(), folder)
    shards = open_shards(source, encoder)
    wanted = [_alternatives(settings, encoder, clips) for clips in shards]
    clips_of = {piece: clips for clips, pieces in zip(shards, wanted, strict=True) for piece in pieces}
    encoded = 0

    def make(missing: list[Piece]) -> Iterator[Piece]:
        nonlocal encoded
        donors = Donors(output)
        jobs = {_job(piece, clips_of[piece], donors): piece for piece in missing}
        total = sum(len(job.clips.ids) for job in jobs)
        description = f"{name} in {encoder.compute_type} on {encoder.device.type}"
        with tqdm(total=total, desc=description, unit="clip") as bar:
            for job, cost in _run(list(jobs), settings, encoder, folder, runtime, bar):
                encoded += cost["clips"]
                write_measurement(measured / f"{job.path.stem}.json", job.fingerprint, **cost)
                yield jobs[job]

    kept, made = make_pieces(output, wanted, make, costly=True)
    Donors(output).welcome()
    copy_skipped(source, output)
    print(f"{name}: {len(shards)} shards: {kept} kept, {made} made; {encoded} clips encoded")
    for remark in FeatureSet(output, verify=False).remarks():
        print(remark)


def _job(piece: Piece, clips: Shard, donors: Donors) -> ShardJob:
    file = clips.path.name
    return ShardJob(clips, piece.workshop / file, piece.name, donors.of(file))


def _run(
    jobs: list[ShardJob],
    settings: KindSettings,
    encoder: Encoder,
    folder: Path | None,
    runtime: RuntimeSettings,
    bar: tqdm,
) -> Iterator[tuple[ShardJob, Cost]]:
    """Extract shards on every core or card; ``folder`` is where frames are read from, if they are."""
    how = {"batch_size": None if runtime.batch_size == "auto" else runtime.batch_size}
    how |= {"on_clips": bar.update, "on_lost": bar.write}
    asked = None if runtime.workers == "auto" else runtime.workers
    if encoder.device.type == "cpu":
        return extract_shards(jobs, settings, encoder, workers=choose_workers(jobs, asked), **how)
    return extract_on_devices(jobs, settings, encoder, folder, all_like(encoder.device)[:asked], **how)


def _recordings(feature_set: str) -> dict[str, str]:
    """The folders of recordings that the copies were made with, and their digests, as the code stage found them."""
    path = ARTIFACTS / f"code/preprocess-{feature_set}"
    lines = [line.split("  ", 1) for line in path.read_text().splitlines() if "  " in line] if path.is_file() else []
    return {folder: digest for digest, folder in lines if digest != "not here"}


def _alternatives(settings: KindSettings, encoder: Encoder, clips: Shard) -> list[Piece]:
    """The pieces that would do for a shard: one per compute type that is permitted, this machine's own first."""
    content = fingerprint(stage="extract", **content_of(settings, encoder, clips))
    return [Piece(content, variant=name) for name in settings.compute_types(encoder.compute_type)]


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
