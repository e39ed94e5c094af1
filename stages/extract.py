"""artifacts/clips/<recipe> -> artifacts/features/<set>/<shard>.h5."""

import shutil
import sys
import time

from tqdm import tqdm

from data.clips import open_clips
from data.errors import UserError
from data.measured import peak_memory, restart_gpu_peak, write_measurement
from data.shards import Shard
from features.encoder import Encoder
from features.extraction import check_clips, content_of, extract_shard
from features.kinds import open_encoder
from features.settings import KindSettings
from features.store import FeatureSet
from stages.params import read_yaml
from stages.pieces import Piece, fingerprint, make_pieces
from stages.running import ARTIFACTS, run_stage
from stages.schema import read_params


def main(name: str) -> None:
    params = read_params()
    settings, runtime = params.features[name], params.runtime
    clips_folder = ARTIFACTS / "clips" / read_yaml()["features"][name]["clips"]
    shards = [open_clips(path) for path in sorted(clips_folder.glob("*.h5"))]
    if not shards:
        raise UserError(f"{clips_folder}: no clips here. Run `dvc repro`, or `dvc pull preprocess`.")
    encoder = open_encoder(settings, runtime.choose_device())
    device = encoder.device.type
    for clips in shards:
        check_clips(clips, encoder)
    alternatives = {clips.path.stem: _alternatives(settings, encoder, clips) for clips in shards}
    clips_of = {piece: clips for clips in shards for piece in alternatives[clips.path.stem]}
    measured = ARTIFACTS / "measured/features" / name
    batch_size = None if runtime.batch_size == "auto" else runtime.batch_size

    def make(missing: list[Piece]):
        total = sum(len(clips_of[piece].ids) for piece in missing)
        with tqdm(total=total, desc=f"extract {name} in {encoder.compute_type} on {device}", unit="clip") as bar:
            for piece in missing:
                clips = clips_of[piece]
                path = piece.workshop / clips.path.name
                restart_gpu_peak(device)
                start = time.perf_counter()
                extract_shard(clips, path, settings, encoder, piece.name, batch_size, bar.update)
                cost = {"clips": len(clips.ids), "seconds": time.perf_counter() - start, **peak_memory(device)}
                write_measurement(measured / f"{path.stem}.json", piece.name, device=device, **cost)
                yield piece

    output = ARTIFACTS / "features" / name
    kept, made = make_pieces(output, list(alternatives.values()), make)
    if (clips_folder / "skipped.csv").exists():
        shutil.copyfile(clips_folder / "skipped.csv", output / "skipped.csv")
    print(f"extract {name}: {len(shards)} shards: {kept} kept, {made} made; {encoder.passes} clips encoded")
    _say_how(FeatureSet(output, verify=False))


def _alternatives(settings: KindSettings, encoder: Encoder, clips: Shard) -> list[Piece]:
    """The pieces that would do for a shard: one per compute type that is permitted, this machine's own first."""
    content = fingerprint(stage="extract", **content_of(settings, encoder, clips))
    return [Piece(content, variant=name) for name in settings.compute_types(encoder.compute_type)]


def _say_how(features: FeatureSet) -> None:
    """Print what a person should know of the set: mixed compute types, and what int8 costs."""
    if mixture := features.mixed_types():
        print(f"warning: {mixture}")
    if noise := features.noise_sentence():
        print(noise)


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
