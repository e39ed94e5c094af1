"""A team's project, run once: two miniature corpora with MFCCs, a head on one of them."""

import pytest

from tests.builders import Project, read_preset, write_emodb, write_turevdb
from tests.remotes.servers import serve


def team_params() -> dict:
    """MFCCs of two corpora, and a linear head on those of the first."""
    base = read_preset("emodb-turevdb")
    classes = {"angry": ["W"], "neutral": ["N"]}
    split = {"scheme": "speaker", "validation": "none", "folds": 2}
    return {
        "corpora": {name: {"reader": name, "features": "all", "exclude": {}} for name in ("emodb", "turevdb")},
        "joined": {},
        "tasks": {"emotions": {"corpus": "emodb", "classes": classes, "where": {}, "split": split}},
        "features": {
            "mfcc": {
                "kind": "mfcc",
                "clips": {"sample_rate": 16000, "seconds": 3.0, "crop": "start", "on_error": "stop"},
            }
        },
        "training": {**base["training"], "seeds": [1]},
        "heads": {
            "linear": {
                "model": "linear",
                "task": "emotions",
                "features": "mfcc/emodb",
                "start": "scratch",
                "l2": [1.0],
            }
        },
        "evaluate": {"bootstrap": 100, "seed": 1},
        "report": base["report"],
        "runtime": {"device": "cpu", "batch_size": "auto", "workers": 1},
    }


def ser(project: Project, *arguments: str, ok: bool = True) -> str:
    """Run the project's own `ser`, whichever is installed."""
    return project.run("python", "-m", "app.cli", *arguments, ok=ok)


@pytest.fixture(scope="session")
def team_project(tmp_path_factory) -> Project:
    """Everything has run once, and is committed. Copy it before changing anything."""
    project = Project.create(tmp_path_factory.mktemp("team") / "project", team_params())
    write_emodb(project.folder / "corpora/emodb", speakers=("03", "08"), sentences=("a01",))
    write_turevdb(project.folder / "corpora/turevdb", speakers=("1157", "1234"), words=("acik",))
    project.repro()
    project.commit()
    return project


@pytest.fixture
def anna(team_project, tmp_path) -> Project:
    """Hers is the project, the corpora and the first push."""
    return team_project.copy(tmp_path / "anna")


@pytest.fixture
def remote(request, tmp_path):
    """An empty remote of the kind that the test is parametrised with."""
    folder = tmp_path / "remote"
    folder.mkdir()
    with serve(request.param, folder) as remote:
        yield remote


@pytest.fixture
def clone(tmp_path, remote):
    """Makes fresh clones of a project, with access to the remote."""

    def make(project: Project, name: str) -> Project:
        other = Project(tmp_path / name)
        project.git("clone", "--quiet", str(project.folder), str(other.folder))
        remote.give_access(other)
        return other

    return make
