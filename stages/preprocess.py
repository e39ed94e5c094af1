"""The corpus folder and artifacts/manifest.csv -> artifacts/clips/<recipe>/<shard>.h5."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from data.clips import ClipsSettings, Skipped, write_clips
from data.digest import file_digest
from data.errors import UserError, listed
from data.manifest import read_manifest
from data.processes import available_cores
from stages.pieces import Piece, fingerprint, make_pieces
from stages.running import ARTIFACTS, run_stage
from stages.schema import read_params


def main(name: str) -> None:
    params = read_params()
    root, recipe = Path(params.corpus.root), params.clips[name]
    manifest = read_manifest(ARTIFACTS / "manifest.csv")
    shards = {_piece(shard, root, rows, recipe): rows for shard, rows in manifest.groupby("shard")}
    workers = available_cores() if params.runtime.workers == "auto" else params.runtime.workers
    torch.set_num_threads(1)  # the threads share the cores by files

    def make(missing: list[Piece]):
        unusable: list[Skipped] = []
        with tqdm(total=sum(len(shards[piece]) for piece in missing), desc=f"preprocess {name}", unit="clip") as bar:
            for piece in missing:
                rows = shards[piece]
                path = piece.workshop / f"{rows['shard'].iloc[0]}.h5"
                audio = [root / relative for relative in rows["path"]]
                skipped = write_clips(path, list(rows["id"]), audio, recipe, workers, bar.update)
                if path.exists():
                    _write_skipped(skipped, path.with_name(f"{path.stem}.skipped.csv"))
                    yield piece
                unusable += skipped
        if recipe.on_error == "stop":
            _refuse(unusable, name)

    output = ARTIFACTS / "clips" / name
    kept, made = make_pieces(output, list(shards), make)
    skipped = _collect_skipped(output)
    if recipe.on_error == "stop" and skipped:  # kept from when they were skipped
        shutil.rmtree(output)
        _refuse(skipped, name)
    print(f"preprocess {name}: {len(shards)} shards: {kept} kept, {made} made; {len(skipped)} files skipped")


def _piece(shard: str, root: Path, rows: pd.DataFrame, recipe: ClipsSettings) -> Piece:
    sound = [
        (identifier, file_digest(root / path, "blake2b"))
        for identifier, path in zip(rows["id"], rows["path"], strict=True)
    ]
    return Piece(
        fingerprint(
            stage="preprocess",
            version=Path("data/VERSION").read_text(),
            shard=shard,
            recipe=recipe.model_dump(exclude={"on_error"}),
            sound=sound,
        )
    )


def _refuse(unusable: list[Skipped], name: str) -> None:
    if unusable:
        files = [f"{each.path}: {each.reason}" for each in unusable]
        raise UserError(
            f"{len(files)} audio files cannot be used:\n{listed(files, most=50)}\n"
            f"Fix or remove them, or leave them out with clips.{name}.on_error: skip"
        )


def _write_skipped(skipped: list[Skipped], path: Path) -> None:
    if skipped:
        pd.DataFrame(skipped).to_csv(path, index=False, lineterminator="\n")


def _collect_skipped(folder: Path) -> list[Skipped]:
    """Join the shards' lists into skipped.csv, and return them."""
    parts = [pd.read_csv(part, dtype=str) for part in sorted(folder.glob("*.skipped.csv"))]
    if not parts:
        return []
    skipped = pd.concat(parts)
    skipped.to_csv(folder / "skipped.csv", index=False, lineterminator="\n")
    return [Skipped(**row) for row in skipped.to_dict("records")]


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
