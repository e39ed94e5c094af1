"""corpora/<corpus> and its manifest -> artifacts/clips/<corpus>/<set>/<shard>.h5."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from data.audio import Excerpt, Joined
from data.clips import ClipsSettings, write_clips
from data.corpora import AnyCorpusSettings
from data.digest import file_digest
from data.disturbances import folder_digests
from data.manifest import corpus_root
from data.manifest_folder import read_manifest_folder, read_recordings
from data.not_wanted import mark_not_wanted
from data.processes import available_cores
from data.skipped import collect_skipped, refuse, write_skipped
from stages.layout import clips_folder, manifest_folder
from stages.params import read_section
from stages.pieces import Piece, fingerprint, make_pieces
from stages.running import run_stage
from stages.runtime import RuntimeSettings


def main(corpus: str, feature_set: str) -> None:
    recipe = read_section(f"features.{feature_set}.clips", ClipsSettings)
    runtime, output = read_section("runtime", RuntimeSettings), clips_folder(corpus, feature_set)
    if not read_section(f"corpora.{corpus}", AnyCorpusSettings).wants(feature_set):
        reason = f"corpora.{corpus}.features leaves {feature_set} out"
        mark_not_wanted(output, reason)
        print(f"preprocess {corpus} for {feature_set}: nothing to do: {reason}")
        return
    manifest, _ = read_manifest_folder(manifest_folder(corpus))
    root = corpus_root(corpus)
    recorded = read_recordings(manifest_folder(corpus), manifest)
    digests = {path: file_digest(root / path, "blake2b") for path in recorded["path"].unique()}
    for disturbance in recipe.disturb:
        disturbance.check()
    recordings = folder_digests(recipe.disturb)
    shards = {_piece(shard, rows, digests, recipe, recordings): rows for shard, rows in recorded.groupby("shard")}
    workers = available_cores() if runtime.workers == "auto" else runtime.workers
    os.environ["OMP_NUM_THREADS"] = "1"  # of torch, where audio needs it: the workers share the cores by files
    on_error = f"features.{feature_set}.clips.on_error"

    def make(missing: list[Piece]):
        unusable = []
        total = sum(shards[piece]["id"].nunique() for piece in missing)
        with tqdm(total=total, desc=f"preprocess {corpus} for {feature_set}", unit="clip") as bar:
            for piece in missing:
                rows = shards[piece]
                path = piece.workshop / f"{rows['shard'].iloc[0]}.h5"
                audio = _audio(root, rows)
                skipped = write_clips(path, list(audio), list(audio.values()), recipe, workers, bar.update)
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


def _piece(
    shard: str,
    rows: pd.DataFrame,
    digests: Mapping[str, str],
    recipe: ClipsSettings,
    recordings: Sequence[tuple[str, str]],
) -> Piece:
    """A shard's clips, by its recordings; ``digests`` are those of the files, of which many utterances may share one.

    ``recordings`` are the folders that disturbed copies are made with, and their digests.
    """
    audio = [
        (row.id, digests[row.path]) if (times := _times(row)) == (None, None) else (row.id, digests[row.path], *times)
        for row in rows.itertuples()
    ]
    return Piece(
        fingerprint(
            stage="preprocess",
            version=Path("data/VERSION").read_text(),
            shard=shard,
            recipe={**recipe.content, "seconds": recipe.seconds},
            audio=audio,
            **({"recordings": recordings} if recordings else {}),
        )
    )


def _audio(root: Path, recorded: pd.DataFrame) -> dict[str, Excerpt | Joined]:
    """Utterance -> what it is made of."""
    parts: dict[str, list[Excerpt]] = {}
    for row in recorded.itertuples():
        parts.setdefault(row.id, []).append(Excerpt(root / row.path, *_times(row)))
    return {name: own[0] if len(own) == 1 else Joined(tuple(own)) for name, own in parts.items()}


def _times(row) -> tuple[float | None, float | None]:
    """An utterance's start and end within its file; None where it has none."""
    return tuple(None if pd.isna(time) else time for time in (row.start, row.end))


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
