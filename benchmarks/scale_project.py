"""A project with a million utterances that took no encoder: files of the right number and names, and little in them."""

import json
import shutil
import subprocess
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import soundfile
from ruamel.yaml import YAML
from tqdm import tqdm

from app.presets import preset_text
from benchmarks.scale_steps import CORPUS, SET, TASK
from data.clips import ClipsSettings, clips_writer
from data.json_files import write_json
from data.manifest import read_manifest
from data.manifest_folder import MANIFEST
from features.index import describe_store
from features.writing import FeatureWriter

HEAD = "linear"
RATE, SECONDS = 8000, 0.1  # of the recordings; of an utterance
DIMENSION, FRAMES = 4, 3
PROVENANCE = {"checkpoint": "none", "revision": None, "compute_dtype": "float32", "device": "cpu", "versions": {}}
ROOMS = ("app", "data", "engines", "evaluation", "features", "inference", "models", "report", "stages", "training")
SINGLE_FILES = ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config")


def write_project(project: Path, rows: int, files: int) -> None:
    """A project in which `dvc repro` has nothing to do.

    Args:
        project: a folder that is made.
        rows: utterances.
        files: recordings, and speakers.
    """
    source = Path.cwd()
    project.mkdir(parents=True)
    for room in (*ROOMS, "presets"):
        shutil.copytree(source / room, project / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SINGLE_FILES:
        (project / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / name, project / name)
    with (project / "params.yaml").open("w") as file:
        YAML().dump(parameters(2 * rows // files), file)
    _git(project, "init", "--quiet")
    write_corpus(project / "corpora" / CORPUS, rows, files)
    for stage in ("check", "code", f"manifest@{CORPUS}", f"split@{TASK}"):
        subprocess.run(["dvc", "repro", "--quiet", "--single-item", stage], cwd=project, check=True)
    with patch("os.fsync"):  # of 20,000 files
        write_store(project)
    write_results(project)
    subprocess.run(["dvc", "commit", "--force", "--quiet"], cwd=project, check=True)


def parameters(most: int) -> dict:
    """The preset iemocap with one corpus, whose shards have at most so many utterances, one set and one head."""
    params = YAML(typ="safe").load(preset_text("iemocap"))
    columns = {name: name for name in ("path", "start", "end", "speaker", "emotion", "text")}
    task = params["tasks"][TASK]
    task["classes"]["happy"] = ["hap"]
    task |= {"corpus": CORPUS, "split": {**task["split"], "scheme": "speaker", "folds": 5}}
    corpus = {"reader": "table", "table": "labels.csv", "columns": columns, "features": "all", "shards": most}
    return {
        **params,
        "corpora": {CORPUS: corpus},
        "features": {SET: params["features"][SET]},
        "heads": {HEAD: {**params["heads"][HEAD], "features": f"{SET}/{CORPUS}"}},
    }


def write_corpus(root: Path, rows: int, files: int) -> None:
    """Recordings of one speaker each, in a table; silent and sparse, with real headers."""
    (root / "audio").mkdir(parents=True)
    per_file = -(-rows // files)
    first = root / "audio" / "rec-000000.wav"
    soundfile.write(first, np.zeros(round(per_file * SECONDS * RATE), np.int16), RATE, subtype="PCM_16")
    size, header = first.stat().st_size, first.read_bytes()[:44]
    for number in range(files):
        with (root / "audio" / f"rec-{number:06d}.wav").open("wb") as file:
            file.write(header)
            file.truncate(size)
    number = np.arange(rows)
    within = (number % per_file) * SECONDS
    table = pd.DataFrame(
        {
            "path": [f"audio/rec-{file:06d}.wav" for file in number // per_file],
            "start": np.round(within, 3),
            "end": np.round(within + SECONDS, 3),
            "speaker": [f"s{file:06d}" for file in number // per_file],
            "emotion": np.array(["neu", "hap", "ang", "sad"])[number % 4],
            "text": [f"This is sentence number {sentence}." for sentence in number % 5000],
        }
    )
    table.to_csv(root / "labels.csv", index=False)


def write_store(project: Path) -> None:
    """Clips of one sample and features of a few frames, for every utterance of the manifest, in its shards."""
    manifest = read_manifest(project / "artifacts/manifests" / CORPUS / MANIFEST)
    clips, features = project / "artifacts/clips" / CORPUS / SET, project / "artifacts/features" / SET / CORPUS
    for folder in (clips, features):
        folder.mkdir(parents=True)
    recipe = {"kind": "ssl", "weights": "0" * 64, "layers": [12], "dimension": DIMENSION, "storage": "float16"}
    cut = ClipsSettings()
    frames = np.random.default_rng(0).normal(0, 1, (1, FRAMES, DIMENSION)).astype(np.float32)
    names = []
    for shard, rows in tqdm(manifest.groupby("shard"), desc="shards"):
        ids, file = list(rows["id"]), f"{shard}.h5"
        of_all = {"ids": ids, "seconds": [SECONDS] * len(ids)}
        with clips_writer(clips / file, lengths=[1] * len(ids), recipe=cut, **of_all) as writer:
            writer.set("waveform", np.ones(len(ids), np.int16))
        with FeatureWriter(
            features / file,
            num_frames=[FRAMES] * len(ids),
            recipe={**recipe, "clips": cut.content},
            frame_rate=50.0,
            fingerprint="benchmark",
            provenance={
                "checkpoint": "none",
                "revision": None,
                "compute_dtype": "float32",
                "device": "cpu",
                "versions": {},
            },
            **of_all,
        ) as writer:
            writer.write(list(range(len(ids))), [np.repeat(frames, len(ids), axis=0)])
        names.append(shard)
    for folder, number in ((clips, 1), (features, 2)):
        pieces = {
            f"{number}{index:063x}": {f"{name}.{end}": f"{name}.{end}" for end in ("h5", "json")}
            for index, name in enumerate(names)
        }
        (folder / "pieces.json").write_text(json.dumps(pieces, indent=1))
    write_json(project / "index/features" / SET / f"{CORPUS}.json", describe_store(features))


def write_results(project: Path) -> None:
    """Something small in the place of what the last stages write."""
    evaluation = project / "artifacts/evaluation" / HEAD
    names = (
        "attention.safetensors details.json embedding.csv learning_curve.csv predictions.csv metrics.json confusion.csv"
    )
    files = [evaluation / name for name in names.split()]
    for path in [*files, project / "artifacts/heads" / HEAD / "config.json", project / "artifacts/report/index.html"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")


def _git(project: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=project, check=True)
