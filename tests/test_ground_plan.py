"""Several corpora, tasks and kinds of features, with real `dvc` commands: what must run, and what must not."""

import shutil
from pathlib import Path

import pytest
import soundfile

from tests.builders import TINY_ENCODER, Project, read_preset, tone, write_emodb, write_ravdess, write_turevdb

pytestmark = pytest.mark.slow

EMODB, TUREVDB, RAVDESS = 70, 32, 48  # utterances of the miniatures
FOUR = {
    "emodb": {"angry": ["W"], "happy": ["F"], "neutral": ["N"], "sad": ["T"]},
    "turevdb": {"angry": ["kz"], "happy": ["mt"], "neutral": ["sk"], "sad": ["hl"]},
}


def linear(task: str, features: str) -> dict:
    return {"model": "linear", "task": task, "features": features, "start": "scratch", "l2": [1.0]}


def two_corpora() -> dict:
    """EmoDB with MFCCs and a tiny encoder, TurEV-DB and both with MFCCs; a linear head on each."""
    base = read_preset("emodb-turevdb")
    clips = {"sample_rate": 16000, "seconds": 3.0, "crop": "start", "on_error": "stop"}
    by_speaker = {"scheme": "speaker", "validation": "none", "folds": 2}
    joint = {label: [f"{corpus}:{FOUR[corpus][label][0]}" for corpus in FOUR] for label in FOUR["emodb"]}
    return {
        "corpora": {
            "emodb": {"reader": "emodb", "features": "all", "exclude": {}},
            "turevdb": {"reader": "turevdb", "features": ["mfcc"], "exclude": {}},
        },
        "joined": {"both": ["emodb", "turevdb"]},
        "tasks": {
            **{name: {"corpus": name, "classes": FOUR[name], "where": {}, "split": dict(by_speaker)} for name in FOUR},
            "across": {
                "corpus": "both",
                "classes": joint,
                "where": {},
                "split": {"scheme": "corpus", "validation": "speaker"},
            },
        },
        "features": {
            "hubert": {"kind": "ssl", "clips": dict(clips), "checkpoint": TINY_ENCODER, "layers": [2]},
            "mfcc": {"kind": "mfcc", "clips": dict(clips)},
        },
        "training": {**base["training"], "seeds": [1]},
        "heads": {
            "german": linear("emodb", "hubert/emodb"),
            "turkish": linear("turevdb", "mfcc/turevdb"),
            "across": linear("across", "mfcc/both"),
        },
        "evaluate": {"bootstrap": 100, "seed": 1},
        "report": base["report"],
        "runtime": {"device": "cpu", "batch_size": "auto", "workers": 1},
    }


@pytest.fixture(scope="module")
def warm(tmp_path_factory) -> Project:
    """A project in which everything has run once. Copy it before changing anything."""
    project = Project.create(tmp_path_factory.mktemp("plan") / "project", two_corpora())
    write_emodb(project.folder / "corpora/emodb")
    write_turevdb(project.folder / "corpora/turevdb")
    first = project.repro()
    assert first.encoded == 2 * EMODB + TUREVDB
    return project


@pytest.fixture
def project(warm, tmp_path) -> Project:
    return warm.copy(tmp_path / "project")


def change(project: Project, edit) -> None:
    params = project.read_params()
    edit(params)
    project.write_params(params)


def test_nothing_changed_runs_nothing(warm):
    assert warm.repro().ran == []
    page = (warm.folder / "artifacts/report/index.html").read_text()
    assert "Across corpora" in page


def test_what_is_added_runs_nothing_for_what_there_is(project):
    """Another corpus, joined with those there are, and then another feature set."""
    write_ravdess(project.folder / "corpora/ravdess")
    before = project.bytes_below("artifacts/heads")

    def add_corpus(params):
        classes = {"angry": ["05"], "happy": ["03"], "sad": ["04"]}
        params["corpora"]["ravdess"] = {"reader": "ravdess", "features": ["mfcc"], "exclude": {}}
        params["joined"]["all"] = ["emodb", "ravdess", "turevdb"]
        params["tasks"]["english"] = {**params["tasks"]["emodb"], "corpus": "ravdess", "classes": classes}
        params["heads"]["english"] = linear("english", "mfcc/ravdess")

    change(project, add_corpus)
    after = project.repro()
    assert after.encoded == RAVDESS
    assert of_stage("extract", after.ran) == ["extract@ravdess-hubert", "extract@ravdess-mfcc"]
    assert of_stage("split", after.ran) == ["split@english"]
    assert of_stage("train", after.ran) == ["train@english"]
    assert of_stage("evaluate", after.ran) == ["evaluate@english"]
    assert "corpora.ravdess.features leaves hubert out" in after.output

    def add_set(params):
        params["features"]["wide"] = {**params["features"]["mfcc"], "n_mfcc": 39}
        params["corpora"]["emodb"]["features"] = "all"
        params["joined"]["both"] = ["turevdb", "emodb"]  # their order means nothing

    change(project, add_set)
    after = project.repro("extract")
    assert after.encoded == EMODB
    assert of_stage("extract", after.ran) == ["extract@emodb-wide", "extract@ravdess-wide", "extract@turevdb-wide"]
    assert of_stage("train", project.repro("train").ran) == []
    now = project.bytes_below("artifacts/heads")
    assert {name: now[name] for name in before} == before


def test_code_that_nothing_here_runs_trains_and_evaluates_nothing_and_versions_are_those_of_a_kind(project):
    for file in ("data/corpora/iemocap.py", "models/ecapa.py", "models/new.py", "features/mfcc.py"):
        path = project.folder / file
        path.write_text((path.read_text() if path.exists() else "") + "\n\nUNUSED = 1\n")
    assert project.repro().ran == ["code"]

    path = project.folder / "features/mfcc.py"
    path.write_text(path.read_text().replace("VERSION = ", "VERSION = 1000 + "))
    after = project.repro("extract")
    assert of_stage("extract", after.ran) == ["extract@emodb-mfcc", "extract@turevdb-mfcc"]
    assert after.encoded == EMODB + TUREVDB


def test_a_colleague_without_corpora_fetches_what_the_changed_head_needs(project, tmp_path):
    """One corpus for a head of one; for a joint head all of its parts, or a command that gets them."""
    project.run("dvc", "remote", "add", "--default", "team", str(tmp_path / "remote"))
    project.run("dvc", "push")
    project.commit()  # with dvc.lock and index/
    joined = project.bytes_below("artifacts/features/mfcc/both")
    clone = Project(tmp_path / "clone")
    project.git("clone", "--quiet", str(project.folder), str(clone.folder))
    clone.run("dvc", "pull", "evaluate", "compare")

    def edit(params):
        params["heads"]["turkish"]["l2"] = [2.0]
        params["tasks"]["turevdb"]["split"]["folds"] = 4

    change(clone, edit)
    after = clone.repro("--pull", "--allow-missing")
    assert after.ran == ["check", "split@turevdb", "train@turkish", "evaluate@turkish", "compare"]
    assert after.encoded == 0
    assert {path.parent.name for path in shards(clone)} == {"turevdb"}

    shutil.rmtree(clone.folder / "artifacts/features/mfcc/turevdb")
    change(clone, lambda params: params["heads"]["across"].update(l2=[2.0]))
    output = clone.run("dvc", "repro", "--pull", "--allow-missing", ok=False)
    assert "dvc pull extract@emodb-mfcc" in output
    assert "Traceback" not in output
    assert clone.bytes_below("artifacts/features/mfcc/both") == joined
    clone.run("dvc", "pull", "extract@emodb-mfcc", "extract@turevdb-mfcc")
    after = clone.repro("--pull", "--allow-missing")
    assert after.ran == ["train@across", "evaluate@across", "compare"]
    assert after.encoded == 0


def test_a_corpus_cache_is_pushed_pulled_and_dropped_by_itself(project, tmp_path):
    remote = tmp_path / "remote"
    project.run("dvc", "remote", "add", "--default", "team", str(remote))
    project.run("dvc", "push", "extract@emodb-mfcc")
    pushed = sum(path.is_file() for path in remote.rglob("*"))
    folder = project.folder / "artifacts/features/mfcc/emodb"
    assert pushed == sum(path.is_file() for path in folder.rglob("*")) + 1  # and the list of them

    before = project.bytes_below("artifacts/features/mfcc")
    shutil.rmtree(folder)
    shutil.rmtree(project.folder / ".dvc/cache/files")
    project.run("dvc", "pull", "extract@emodb-mfcc")
    assert project.bytes_below("artifacts/features/mfcc") == before


def test_one_changed_recording_is_encoded_alone_and_trains_its_tasks(project):
    path = project.folder / "corpora/turevdb/Sound Source/Angry/1157_kz_acik.wav"
    soundfile.write(path, tone(0.6), 44100)
    rest = project.repro("train")
    assert rest.encoded == 1
    assert sorted(of_stage("train", rest.ran)) == ["train@across", "train@turkish"]


def of_stage(stage: str, names: list[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(f"{stage}@"))


def shards(project: Project) -> list[Path]:
    return list((project.folder / "artifacts/features").rglob("*.h5"))
