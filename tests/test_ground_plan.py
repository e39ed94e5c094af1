"""Several corpora, tasks and kinds of features, with real `dvc` commands: what must run, and what must not."""

import shutil
from pathlib import Path

import pytest

from tests.builders import TINY_ENCODER, Project, read_preset, write_emodb, write_ravdess, write_turevdb

EMODB, TUREVDB, RAVDESS = 70, 32, 48  # utterances of the miniatures
FOUR = {
    "emodb": {"angry": ["W"], "happy": ["F"], "neutral": ["N"], "sad": ["T"]},
    "turevdb": {"angry": ["kz"], "happy": ["mt"], "neutral": ["sk"], "sad": ["hl"]},
}


def linear(task: str, features: str) -> dict:
    return {"model": "linear", "task": task, "features": features, "start": "scratch", "l2": [1.0]}


def two_corpora() -> dict:
    """EmoDB, TurEV-DB and both, with MFCCs and a tiny encoder; a linear head on each."""
    base = read_preset("emodb-turevdb")
    clips = {"sample_rate": 16000, "seconds": 3.0, "crop": "start", "on_error": "stop"}
    by_speaker = {"scheme": "speaker", "validation": "none", "folds": 2}
    joint = {label: [f"{corpus}:{FOUR[corpus][label][0]}" for corpus in FOUR] for label in FOUR["emodb"]}
    return {
        "corpora": {name: {"reader": name, "features": "all", "exclude": {}} for name in FOUR},
        "joined": {"both": ["emodb", "turevdb"]},
        "tasks": {
            **{name: {"corpus": name, "classes": FOUR[name], "where": {}, "split": by_speaker} for name in FOUR},
            "across": {
                "corpus": "both",
                "classes": joint,
                "where": {},
                "split": {"scheme": "corpus", "validation": "speaker"},
            },
        },
        "features": {
            "hubert": {"kind": "ssl", "clips": clips, "checkpoint": TINY_ENCODER, "layers": [2]},
            "mfcc": {"kind": "mfcc", "clips": clips},
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
    assert first.encoded == 2 * (EMODB + TUREVDB)
    return project


@pytest.fixture
def project(warm, tmp_path) -> Project:
    return warm.copy(tmp_path / "project")


@pytest.fixture
def team(project, tmp_path) -> tuple[Project, Project]:
    """A project that has pushed and committed, and a colleague's clone without corpora."""
    project.run("dvc", "remote", "add", "--default", "team", str(tmp_path / "remote"))
    project.run("dvc", "push")
    project.commit()
    clone = Project(tmp_path / "clone")
    project.git("clone", "--quiet", str(project.folder), str(clone.folder))
    return project, clone


def change(project: Project, edit) -> None:
    params = project.read_params()
    edit(params)
    project.write_params(params)


def extracted(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("extract@")]


def test_nothing_changed_runs_nothing(warm):
    assert warm.repro().ran == []
    page = (warm.folder / "artifacts/report/index.html").read_text()
    assert "Across corpora" in page


def test_another_corpus_runs_nothing_for_those_there_are(project):
    """Its own stages run, its head trains; the joint list is written again, the same; 0 passes for the others."""
    write_ravdess(project.folder / "corpora/ravdess")

    def add(params):
        classes = {"angry": ["05"], "happy": ["03"], "sad": ["04"]}
        params["corpora"]["ravdess"] = {"reader": "ravdess", "features": ["mfcc"], "exclude": {}}
        params["tasks"]["english"] = {**params["tasks"]["emodb"], "corpus": "ravdess", "classes": classes}
        params["heads"]["english"] = linear("english", "mfcc/ravdess")

    change(project, add)
    after = project.repro()
    assert after.encoded == RAVDESS
    own = {"manifest@ravdess", "preprocess@ravdess-mfcc", "extract@ravdess-mfcc", "split@english"}
    own |= {"preprocess@ravdess-hubert", "extract@ravdess-hubert", "train@english", "evaluate@english"}
    assert set(after.ran) - own == {"check", "join_manifests@both", "join_features@both-mfcc", "compare"} | (
        {"join_features@both-hubert"} & set(after.ran)
    )
    assert "corpora.ravdess.features leaves hubert out" in after.output


def test_a_set_and_a_recipe_are_added_and_no_other_extract_runs(project):
    def add(params):
        params["features"]["wide"] = {**params["features"]["mfcc"], "n_mfcc": 39}
        params["heads"]["wide"] = linear("emodb", "wide/emodb")

    change(project, add)
    after = project.repro()
    assert sorted(extracted(after.ran)) == ["extract@emodb-wide", "extract@turevdb-wide"]
    assert after.encoded == EMODB + TUREVDB
    assert [name for name in after.ran if name.startswith("train@")] == ["train@wide"]


def test_a_higher_version_of_one_kind_extracts_that_kind_alone(project):
    path = project.folder / "features/mfcc.py"
    raised = path.read_text().replace("VERSION = ", "VERSION = 1000 + ")
    path.write_text(raised)
    after = project.repro("extract")
    assert extracted(after.ran) == ["extract@emodb-mfcc", "extract@turevdb-mfcc"]
    assert after.encoded == EMODB + TUREVDB


@pytest.mark.parametrize("file", ["data/corpora/iemocap.py", "models/ecapa.py", "features/mfcc.py", "models/new.py"])
def test_code_that_nothing_here_runs_trains_and_evaluates_nothing(project, file):
    path = project.folder / file
    path.write_text((path.read_text() if path.exists() else "") + "\n\nUNUSED = 1\n")
    assert set(project.repro().ran) <= {"code"}


def test_a_colleague_fetches_the_corpus_of_the_head_that_changed_and_no_other(team):
    _, clone = team
    clone.run("dvc", "pull", "evaluate", "compare")
    change(clone, lambda params: params["heads"]["turkish"].update(l2=[2.0]))
    after = clone.repro("--pull", "--allow-missing")
    assert after.ran == ["check", "train@turkish", "evaluate@turkish", "compare"]
    assert after.encoded == 0
    there = {path.relative_to(clone.folder / "artifacts/features").as_posix() for path in shards(clone)}
    assert there == {path for path in there if path.startswith("mfcc/turevdb/")} != set()


def shards(project: Project) -> list[Path]:
    return list((project.folder / "artifacts/features").rglob("*.h5"))


def test_a_joint_head_without_one_of_its_parts_stops_and_names_the_command(team):
    _, clone = team
    clone.run("dvc", "pull", "evaluate", "compare", "extract@emodb-mfcc")
    change(clone, lambda params: params["heads"]["across"].update(l2=[2.0]))
    output = clone.run("dvc", "repro", "--pull", "--allow-missing", ok=False)
    assert "dvc pull extract@turevdb-mfcc" in output
    assert "Traceback" not in output
    clone.run("dvc", "pull", "extract@turevdb-mfcc")
    after = clone.repro("--pull", "--allow-missing")
    assert after.ran == ["train@across", "evaluate@across", "compare"]
    assert after.encoded == 0


def test_a_single_corpus_task_changes_in_a_clone_and_no_joint_stage_runs(team):
    project, clone = team
    before = project.bytes_below("artifacts/features/mfcc/both")
    change(clone, lambda params: params["tasks"]["turevdb"]["split"].update(folds=4))
    after = clone.repro("--pull", "--allow-missing", "evaluate@turkish")
    assert after.ran == ["check", "split@turevdb", "train@turkish", "evaluate@turkish"]
    clone.run("dvc", "pull", "join_features@both-mfcc")
    assert clone.bytes_below("artifacts/features/mfcc/both") == before


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


def test_a_third_corpus_in_the_index_retrains_no_joint_head_that_leaves_it_out(project):
    write_ravdess(project.folder / "corpora/ravdess")
    before = project.bytes_below("artifacts/heads/across")

    def add(params):
        params["corpora"]["ravdess"] = {"reader": "ravdess", "features": "all", "exclude": {}}
        params["joined"]["all"] = ["emodb", "ravdess", "turevdb"]

    change(project, add)
    after = project.repro()
    assert not [name for name in after.ran if name.startswith(("train@", "evaluate@"))]
    assert project.bytes_below("artifacts/heads/across") == before
    change(project, lambda params: params["joined"].update(both=["turevdb", "emodb"]))  # their order means nothing
    assert not [name for name in project.repro().ran if name.startswith(("split@", "train@", "evaluate@"))]


def test_one_changed_recording_extracts_its_shard_and_trains_its_tasks(project):
    path = project.folder / "corpora/turevdb/Sound Source/Angry/1157_kz_acik.wav"
    shutil.copyfile(path.with_name("1157_kz_cay.wav"), path)
    after = project.repro()
    assert after.encoded == 2 * TUREVDB // 4  # one of four speakers, in both sets
    assert [name for name in after.ran if name.startswith("train@")] == ["train@turkish", "train@across"]


def test_parts_that_do_not_fit_together_are_refused_before_a_head_trains(project):
    """The same set, made for one corpus with other parameters: DVC would join them without a word."""
    change(project, lambda params: params["features"]["mfcc"].update(n_mfcc=20))
    project.repro("extract@emodb-mfcc")
    output = project.run("python", "-m", "stages.join_features", "both", "mfcc", ok=False)
    assert "dimension" in output
    assert "emodb" in output
    assert "turevdb" in output
