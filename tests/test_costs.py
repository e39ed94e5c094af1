"""docs/costs.md: what every kind of change costs, in encoder passes and in what is pushed, with real `dvc` commands."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from tests.builders import REPOSITORY, TINY_ENCODER, Project, read_preset, tone

pytestmark = pytest.mark.slow

PAGE = REPOSITORY / "docs/costs.md"
EMOTIONS = "WLEAFTN"  # the last three are longer than a clip
TOLERANCE = 2  # per cent of the first extraction's bytes


def write_recording(project: Project, name: str, frequency: int) -> Path:
    path = project.folder / "corpora/emodb/wav" / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(0.8 if name[5] in EMOTIONS[4:] else 0.4, frequency=frequency), 16000)
    return path


def write_speaker(project: Project, speaker: str) -> None:
    for number, emotion in enumerate(EMOTIONS):
        write_recording(project, f"{speaker}a01{emotion}a", 100 + 10 * int(speaker) + number)


def params() -> dict:
    base = read_preset("emodb")
    clips = {"sample_rate": 16000, "seconds": 0.6, "crop": "start"}
    split = {"scheme": "speaker", "validation": "none"}
    classes = {"angry": ["W"], "happy": ["F"], "neutral": ["N"]}
    return {
        "corpora": {"emodb": {"reader": "emodb", "features": "all", "exclude": {}}},
        "joined": {},
        "tasks": {"emotions": {"corpus": "emodb", "classes": classes, "where": {}, "split": split}},
        "features": {"hubert": {"kind": "ssl", "clips": clips, "checkpoint": TINY_ENCODER, "layers": [2]}},
        "training": {**base["training"], "seeds": [1]},
        "heads": {"linear": {"model": "linear", "task": "emotions", "features": "hubert/emodb", "start": "scratch"}},
        "evaluate": {"bootstrap": 100, "seed": 1},
        "report": base["report"],
        "runtime": {"device": "cpu", "batch_size": "auto", "workers": 2},
    }


def setting(edit: Callable[[dict], None]) -> Callable[[Project], None]:
    """A change of params.yaml."""

    def change(project: Project) -> None:
        params = project.read_params()
        edit(params)
        project.write_params(params)

    return change


def of_hubert(**changes) -> Callable[[Project], None]:
    return setting(lambda params: params["features"]["hubert"].update(changes))


def of_clips(**changes) -> Callable[[Project], None]:
    return setting(lambda params: params["features"]["hubert"]["clips"].update(changes))


def anything_else(project: Project) -> None:
    def edit(params: dict) -> None:
        params["heads"]["linear"]["l2"] = [2.0]
        params["tasks"]["emotions"]["classes"] = {"angry": ["W"], "other": ["F", "N"]}
        params["runtime"]["workers"] = 1

    setting(edit)(project)
    for file in ("features/extraction.py", "features/ssl.py"):
        path = project.folder / file
        path.write_text(path.read_text() + "\n# a comment\n")


def rename(before: str, after: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        folder = project.folder / "corpora/emodb/wav"
        (folder / f"{before}.wav").rename(folder / f"{after}.wav")

    return change


CHANGES: dict[str, Callable[[Project], object]] = {
    "the first extraction": lambda project: [write_speaker(project, speaker) for speaker in ("03", "08", "09")],
    "nothing": lambda project: None,
    "a head, the classes of a task, `runtime`, a comment in the code": anything_else,
    "one recording changed": lambda project: write_recording(project, "03a01Wa", 90),
    "one recording added": lambda project: write_recording(project, "03a02Wa", 91),
    "one recording removed": lambda project: (project.folder / "corpora/emodb/wav/03a01Ea.wav").unlink(),
    "one recording renamed": rename("08a01Wa", "08a02Wa"),
    "one recording given to another speaker": rename("08a02Wa", "09a02Wa"),
    "a speaker added, with 7 recordings": lambda project: write_speaker(project, "10"),
    "an emotion excluded": setting(lambda params: params["corpora"]["emodb"].update(exclude={"emotion": ["L"]})),
    "the emotion no longer excluded": setting(lambda params: params["corpora"]["emodb"].update(exclude={})),
    "clips shorter, so that 3 recordings of each speaker are cut elsewhere": of_clips(seconds=0.5),
    "clips as long as before": of_clips(seconds=0.6),
    "disturbed copies of all clips (`clips.disturb`) added": of_clips(disturb=[{"noise": "white", "snr": 5}]),
    "the copies left out": of_clips(disturb=[]),
    "two layers added": of_hubert(layers=[0, 1, 2]),
    "a layer removed": of_hubert(layers=[0, 1]),
    "another set of the same clips with fewer layers": setting(
        lambda params: params["features"].update(other={**params["features"]["hubert"], "layers": [0]})
    ),
    "`storage: int8` (of two layers)": of_hubert(storage="int8"),
    "another `compute_dtype`": of_hubert(compute_dtype="float16"),
    "another encoder": of_hubert(checkpoint="untrained:1,layers=2"),
}


def table() -> dict[str, tuple[int, int, int]]:
    """Change -> passes, shards and per cent of bytes, as the page has them."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \| (\d+) % \|$", PAGE.read_text(), flags=re.MULTILINE)
    return {change: (int(passes), int(shards), int(share)) for change, passes, shards, share in rows}


def pushed(remote: Path) -> dict[str, int]:
    """The files of a remote, and their sizes."""
    return {str(path): path.stat().st_size for path in remote.rglob("*") if path.is_file()}


def costs(project: Project, remote: Path) -> Iterator[tuple[str, tuple[int, int, float]]]:
    """Make every change, and count."""
    whole = None
    before = pushed(remote)
    for name, change in CHANGES.items():
        change(project)
        encoded = project.repro("extract").encoded
        project.run("dvc", "push", "extract")
        new = {path: size for path, size in pushed(remote).items() if path not in before}
        before |= new
        shards = [size for path, size in new.items() if Path(path).read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"]
        whole = whole or sum(shards)
        yield name, (encoded, len(shards), 100 * sum(shards) / whole)


def test_every_change_costs_what_the_page_says(tmp_path):
    assert list(table()) == list(CHANGES)
    project = Project.create(tmp_path / "project", params())
    remote = tmp_path / "remote"
    remote.mkdir()
    project.run("dvc", "remote", "add", "--default", "team", str(remote))
    found = {}
    for name, cost in costs(project, remote):
        print(name, cost, flush=True)
        found[name] = cost
    wrong = {
        name: (cost, table()[name])
        for name, cost in found.items()
        if cost[:2] != table()[name][:2] or abs(cost[2] - table()[name][2]) > TOLERANCE
    }
    assert wrong == {}
