"""corpora/<corpus> and its manifest -> artifacts/clips/<corpus>/<set>/<shard>.h5."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from data.clips import ClipsSettings, write_clips
from data.digest import file_digest
from data.manifest import corpus_root
from data.manifest_folder import read_manifest_folder
from data.not_wanted import mark_not_wanted
from data.processes import available_cores
from data.skipped import collect_skipped, refuse, write_skipped
from stages.layout import clips_folder, manifest_folder
from stages.pieces import Piece, fingerprint, make_pieces
from stages.running import run_stage
from stages.schema import read_params


def main(corpus: str, feature_set: str) -> None:
    params = read_params()
    recipe, output = params.features[feature_set].clips, clips_folder(corpus, feature_set)
    if not params.corpora[corpus].wants(feature_set):
        reason = f"corpora.{corpus}.features leaves {feature_set} out"
        mark_not_wanted(output, reason)
        print(f"preprocess {corpus} for {feature_set}: nothing to do: {reason}")
        return
    manifest, _ = read_manifest_folder(manifest_folder(corpus))
    root = corpus_root(corpus)
    shards = {_piece(shard, root, rows, recipe): rows for shard, rows in manifest.groupby("shard")}
    workers = available_cores() if params.runtime.workers == "auto" else params.runtime.workers
    torch.set_num_threads(1)  # the threads share the cores by files
    on_error = f"features.{feature_set}.clips.on_error"

    def make(missing: list[Piece]):
        unusable = []
        total = sum(len(shards[piece]) for piece in missing)
        with tqdm(total=total, desc=f"preprocess {corpus} for {feature_set}", unit="clip") as bar:
            for piece in missing:
                rows = shards[piece]
                path = piece.workshop / f"{rows['shard'].iloc[0]}.h5"
                audio = [root / relative for relative in rows["path"]]
                skipped = write_clips(path, list(rows["id"]), audio, recipe, workers, bar.update)
                unusable += skipped
                if path.exists():
                    write_skipped(skipped, path)
                    yield piece
        if recipe.on_error == "stop":
            refuse(unusable, on_error)

    kept, made = make_pieces(output, list(shards), make)
    skipped = collect_skipped(output)
    if recipe.on_error == "stop" and skipped:  # kept from when they were skipped
        shutil.rmtree(output)
        refuse(skipped, on_error)
    print(
        f"preprocess {corpus} for {feature_set}: {len(shards)} shards: {kept} kept, {made} made; "
        f"{len(skipped)} files skipped"
    )


def _piece(shard: str, root: Path, rows: pd.DataFrame, recipe: ClipsSettings) -> Piece:
    audio = [
        (identifier, file_digest(root / path, "blake2b"))
        for identifier, path in zip(rows["id"], rows["path"], strict=True)
    ]
    return Piece(
        fingerprint(
            stage="preprocess",
            version=Path("data/VERSION").read_text(),
            shard=shard,
            recipe=recipe.model_dump(exclude={"on_error"}),
            audio=audio,
        )
    )


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
