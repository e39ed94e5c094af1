"""artifacts/clips/<recipe> -> artifacts/features/<set>/<shard>.h5."""

import shutil
import sys
from pathlib import Path

from tqdm import tqdm

from data.clips import open_clips
from data.shards import content_digest
from features.extraction import extract_shard, recipe_of
from features.ssl import Encoder, choose_compute_dtype
from stages.pieces import Piece, fingerprint, make_pieces
from stages.running import ARTIFACTS, run_stage
from stages.schema import read_params


def main(name: str) -> None:
    params = read_params()
    settings, runtime = params.features[name], params.runtime
    device = runtime.choose_device()
    encoder = Encoder(settings, device, choose_compute_dtype(runtime.compute_dtype, device))
    clips_folder = ARTIFACTS / "clips" / settings.clips
    shards = [open_clips(path) for path in sorted(clips_folder.glob("*.h5"))]
    pieces = {}
    for clips in shards:
        content = fingerprint(
            stage="extract",
            version=Path("features/VERSION").read_text(),
            shard=clips.path.stem,
            recipe=recipe_of(settings, encoder, clips),
            clips=content_digest(clips.path),
        )
        pieces[Piece(content)] = clips
    batch_size = None if runtime.batch_size == "auto" else runtime.batch_size

    def make(missing: list[Piece]):
        total = sum(len(pieces[piece].ids) for piece in missing)
        with tqdm(total=total, desc=f"extract {name} on {device.type}", unit="clip") as bar:
            for piece in missing:
                clips = pieces[piece]
                path = piece.workshop / clips.path.name
                extract_shard(clips, path, settings, encoder, piece.fingerprint, batch_size, bar.update)
                yield piece

    output = ARTIFACTS / "features" / name
    kept, made = make_pieces(output, list(pieces), make)
    if (clips_folder / "skipped.csv").exists():
        shutil.copyfile(clips_folder / "skipped.csv", output / "skipped.csv")
    print(f"extract {name}: {len(pieces)} shards: {kept} kept, {made} made; {encoder.passes} clips encoded")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
