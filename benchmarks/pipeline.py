"""`dvc repro` with nothing to do, and manifest and split, on an IEMOCAP-shaped tree of 10,039 utterances."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from ruamel.yaml import YAML

from app.presets import preset_text
from benchmarks.measuring import medians, report

# Busso et al. 2008, as counted in the release
COUNTS = {
    **{"ang": 1103, "hap": 595, "exc": 1041, "sad": 1084, "neu": 1708, "fru": 1849},
    **{"sur": 107, "fea": 40, "oth": 3, "dis": 2, "xxx": 2507},
}
PER_DIALOG = 67
PROJECT = (
    "app",
    "data",
    "evaluation",
    "features",
    "models",
    "report",
    "stages",
    "training",
    "dvc.yaml",
    ".dvcignore",
    ".gitignore",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    project = Path(tempfile.mkdtemp()) / "project"
    project.mkdir()
    try:
        _copy_project(project)
        utterances = write_tree(project / "corpora/iemocap")

        def run(*command: str) -> None:
            subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)

        run("dvc", "repro")
        seconds = medians(
            {
                "dvc_repro_with_nothing_to_do": lambda: run("dvc", "repro"),
                "manifest": lambda: run(sys.executable, "-m", "stages.manifest", "iemocap"),
                "split": lambda: run(sys.executable, "-m", "stages.split", "emotions"),
            },
            arguments.rounds,
        )
        report(
            "pipeline",
            utterances=utterances,
            seconds={**seconds, "manifest_and_split": seconds["manifest"] + seconds["split"]},
        )
    finally:
        shutil.rmtree(project.parent)


def write_tree(root: Path) -> int:
    """An IEMOCAP-shaped tree of 10,039 utterances of 60 ms of noise; returns their number."""
    random = np.random.default_rng(0)
    codes = random.permutation([code for code, count in COUNTS.items() for _ in range(count)])
    for dialog_number, start in enumerate(range(0, len(codes), PER_DIALOG)):
        session = dialog_number % 5 + 1
        dialog = f"Ses{session:02d}F_{'impro' if dialog_number % 2 else 'script'}{dialog_number:02d}"
        folder = root / f"Session{session}"
        (folder / "sentences/wav" / dialog).mkdir(parents=True)
        annotations, transcript = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
        for number, code in enumerate(codes[start : start + PER_DIALOG]):
            identifier = f"{dialog}_{'FM'[number % 2]}{number:03d}"
            annotations.append(f"[{number}.0000 - {number}.9000]\t{identifier}\t{code}\t[2.5000, 2.5000, 2.5000]")
            annotations += [f"C-E{k}:\tNeutral;\t()" for k in range(1, 5)] + [""]
            transcript.append(f"{identifier} [{number:03d}.0000-{number:03d}.9000]: Sentence number {number}.")
            noise = random.normal(0, 0.1, 960)
            soundfile.write(folder / "sentences/wav" / dialog / f"{identifier}.wav", noise, 16000)
        for name, lines in (("EmoEvaluation", annotations), ("transcriptions", transcript)):
            (folder / "dialog" / name).mkdir(parents=True, exist_ok=True)
            (folder / "dialog" / name / f"{dialog}.txt").write_text("\n".join(lines) + "\n")
    return len(codes)


def _copy_project(project: Path) -> None:
    for name in PROJECT:
        source = Path(name)
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, project / name)
    (project / ".dvc").mkdir()
    shutil.copyfile(".dvc/config", project / ".dvc/config")
    params = YAML(typ="safe").load(preset_text("iemocap"))
    params["corpora"]["iemocap"]["exclude"] = {}
    params["features"]["hubert"].update(checkpoint="untrained:0,layers=1", layers=[0])
    params["training"]["epochs"] = 1
    params["heads"] = {"linear": {**params["heads"]["linear"], "l2": None}}  # by gradient steps: noise fits slowly
    with (project / "params.yaml").open("w") as file:
        YAML().dump(params, file)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    identity = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "state"], cwd=project, check=True)


if __name__ == "__main__":
    main()
