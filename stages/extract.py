"""artifacts/clips/<corpus>/<set> -> artifacts/features/<set>/<corpus>/<shard>.h5, and its index."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from data.json_files import write_json
from data.measured import write_measurement
from data.not_wanted import mark_not_wanted, why_not_wanted
from data.shards import Shard
from data.skipped import copy_skipped
from engines.local import keep_to_one_thread
from features.cluster_extraction import compute_type_on, extract_on_cluster
from features.device import all_like
from features.encoder import Encoder
from features.extraction import ShardJob, content_of, open_shards, recipe_of
from features.index import describe_store
from features.kinds import open_encoder
from features.settings import KindSettings
from features.shared_extraction import Cost, choose_workers, extract_on_devices, extract_shards
from features.store import FeatureSet
from stages.donors import Donors
from stages.engine import Engine, opened_engine
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
        runtime = read_params().runtime
        with opened_engine(runtime) if runtime.engine == "ray" else nullcontext() as cluster:
            _extract(corpus, feature_set, cluster)
    source = read_params().features[feature_set].source_folder(feature_set, corpus)
    write_json(features_index(corpus, feature_set), describe_store(output, source, _recordings(feature_set)))


def _extract(corpus: str, feature_set: str, cluster: Engine | None) -> None:
    params = read_params()
    settings, runtime = params.features[feature_set], params.runtime
    source, output = clips_folder(corpus, feature_set), features_folder(corpus, feature_set)
    name, measured = f"extract {feature_set} of {corpus}", ARTIFACTS / "measured/features" / feature_set / corpus
    keep_to_one_thread()
    folder = settings.source_folder(feature_set, corpus)
    encoder = open_encoder(settings, torch.device("cpu") if cluster else runtime.choose_device(), folder)
    device, compute_type = encoder.device.type, encoder.compute_type
    recipe = recipe_of(settings, encoder, {})
    if cluster:
        device = cluster.device
        compute_type = compute_type_on(device, settings, recipe, folder, cluster.run)
    shards = open_shards(source, encoder)
    wanted = [_alternatives(settings, encoder, clips, compute_type) for clips in shards]
    clips_of = {piece: clips for clips, pieces in zip(shards, wanted, strict=True) for piece in pieces}
    encoded = 0

    def make(missing: list[Piece]) -> Iterator[Piece]:
        nonlocal encoded
        donors = Donors(output)
        jobs = {_job(piece, clips_of[piece], donors): piece for piece in missing}
        total = sum(len(job.clips.ids) for job in jobs)
        with tqdm(total=total, desc=f"{name} in {compute_type} on {device}", unit="clip") as bar:
            if cluster:
                run = partial(cluster.run, on_progress=bar.update, on_lost=bar.write)
                size = {"batch_size": _batch_size(runtime)}
                how = (settings, recipe, folder, device, compute_type, run)
                running = extract_on_cluster(list(jobs), *how, **size)
            else:
                running = _run(list(jobs), settings, encoder, folder, runtime, bar)
            for job, cost in running:
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
    """Extract shards on every core or card of this machine; ``folder`` is where frames are read from, if they are."""
    how = {"batch_size": _batch_size(runtime), "on_clips": bar.update, "on_lost": bar.write}
    asked = None if runtime.workers == "auto" else runtime.workers
    if encoder.device.type == "cpu":
        return extract_shards(jobs, settings, encoder, folder, workers=choose_workers(jobs, asked), **how)
    return extract_on_devices(jobs, settings, encoder, folder, all_like(encoder.device)[:asked], **how)


def _batch_size(runtime: RuntimeSettings) -> int | None:
    return None if runtime.batch_size == "auto" else runtime.batch_size


def _recordings(feature_set: str) -> dict[str, str]:
    """The folders of recordings that the copies were made with, and their digests, as the code stage found them."""
    path = ARTIFACTS / f"code/preprocess-{feature_set}"
    lines = [line.split("  ", 1) for line in path.read_text().splitlines() if "  " in line] if path.is_file() else []
    return {folder: digest for digest, folder in lines if digest != "not here"}


def _alternatives(settings: KindSettings, encoder: Encoder, clips: Shard, own: str) -> list[Piece]:
    """The pieces that would do for a shard: one per compute type that is permitted, the one that is used here first."""
    content = fingerprint(stage="extract", **content_of(settings, encoder, clips))
    return [Piece(content, variant=name) for name in settings.compute_types(own)]


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
