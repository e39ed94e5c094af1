"""artifacts/clips/<corpus>/<set> -> artifacts/features/<set>/<corpus>/<shard>.h5, and its index."""

import sys

from tqdm import tqdm

from data.json_files import write_json
from data.measured import write_measurement
from data.not_wanted import mark_not_wanted, why_not_wanted
from data.shards import Shard
from data.skipped import copy_skipped
from features.encoder import Encoder
from features.extraction import content_of, extract_shard, open_shards
from features.index import describe_store
from features.kinds import open_encoder
from features.settings import KindSettings
from features.store import FeatureSet
from stages.layout import ARTIFACTS, clips_folder, features_folder, features_index
from stages.pieces import Piece, fingerprint, make_pieces
from stages.running import run_stage
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
    batch_size = None if runtime.batch_size == "auto" else runtime.batch_size
    encoder = open_encoder(settings, runtime.choose_device(), settings.source_folder(feature_set, corpus))
    shards = open_shards(source, encoder)
    wanted = [_alternatives(settings, encoder, clips) for clips in shards]
    clips_of = {piece: clips for clips, pieces in zip(shards, wanted, strict=True) for piece in pieces}

    def make(missing: list[Piece]):
        total = sum(len(clips_of[piece].ids) for piece in missing)
        description = f"{name} in {encoder.compute_type} on {encoder.device.type}"
        with tqdm(total=total, desc=description, unit="clip") as bar:
            for piece in missing:
                clips = clips_of[piece]
                path, how = piece.workshop / clips.path.name, {"batch_size": batch_size, "on_clips": bar.update}
                cost = extract_shard(clips, path, settings, encoder, fingerprint=piece.name, **how)
                write_measurement(measured / f"{path.stem}.json", piece.name, **cost)
                yield piece

    kept, made = make_pieces(output, wanted, make, costly=True)
    copy_skipped(source, output)
    print(f"{name}: {len(shards)} shards: {kept} kept, {made} made; {encoder.passes} clips encoded")
    for remark in FeatureSet(output, verify=False).remarks():
        print(remark)


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
