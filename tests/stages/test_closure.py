"""A head depends on exactly the code it runs: tested both ways, for every model."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from models import HEADS
from stages.closure import ROOMS, closure, describe_code
from stages.code import _STAGES, training_code
from tests.builders import REPOSITORY

OWN_FILE = {model: f"{head.__module__.replace('.', '/')}.py" for model, (_, head) in HEADS.items()}


@pytest.fixture
def root(tmp_path) -> Path:
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def codes(root: Path) -> dict[str, str]:
    """What every head and every stage depends on."""
    heads = {model: training_code(model, root) for model in HEADS}
    return heads | {stage: describe_code(f"stages.{stage}", root=root) for stage in ("split", "evaluate", "compare")}


def changed_by(root: Path, file: str, line: str = "SOMETHING = 1") -> set[str]:
    """Which of them change when a file gets another line."""
    before = codes(root)
    path = root / file
    path.write_text((path.read_text() if path.exists() else "") + f"\n\n{line}\n")
    after = codes(root)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize("model", HEADS)
def test_a_heads_own_file_concerns_that_head_alone(model, root):
    assert changed_by(root, OWN_FILE[model]) == {model}


@pytest.mark.parametrize(
    "file",
    [
        *(
            "training/job.py",
            "training/run.py",
            "training/prediction.py",
            "training/schedule.py",
            "training/augmentation.py",
        ),
        *(
            "models/head.py",
            "models/layers.py",
            "models/adversary.py",
            "models/building.py",
            "stages/fold_jobs.py",
            "stages/inputs.py",
        ),
    ],
)
def test_the_training_loop_concerns_every_head_and_nothing_before_it(file, root):
    assert changed_by(root, file) == set(HEADS)


@pytest.mark.parametrize("file", ["features/store.py", "features/quantisation.py", "data/shards.py", "data/metrics.py"])
def test_the_code_that_reads_features_concerns_every_head_and_its_evaluation(file, root):
    assert changed_by(root, file) >= {*HEADS, "evaluate"}


@pytest.mark.parametrize(
    "file",
    [
        *("models/mlp.py", "models/__init__.py", "data/corpora/__init__.py", "data/corpora/emodb.py"),
        *("features/ssl.py", "features/whisper_encoder.py", "features/waveform_encoder.py", "features/extraction.py"),
        *("stages/schema.py", "stages/pieces.py", "stages/extract.py", "app/cli.py", "data/measured.py"),
        *("stages/train.py", "stages/engine.py", "training/parallel.py"),
        *("data/corpora/turevdb.py", "features/kinds.py", "features/mfcc.py", "features/index.py"),
    ],
)
def test_a_new_head_a_registry_and_what_makes_features_concern_no_head(file, root):
    assert changed_by(root, file) == set()


def test_every_stage_that_makes_something_depends_on_its_code_or_on_a_version():
    """Else `split` would read what an older `join_manifests` has written."""
    stages = YAML(typ="safe").load(REPOSITORY / "dvc.yaml")["stages"]
    for name in stages.keys() - {"check", "code"}:
        deps = stages[name].get("do", stages[name])["deps"]
        assert any(dep == "data/VERSION" or dep.startswith("artifacts/code/") for dep in deps), name
        for dep in deps:
            if dep.startswith("artifacts/code/") and "${" not in dep:
                assert Path(dep).name in _STAGES


def test_what_draws_concerns_the_report_alone_and_what_computes_does_not_draw(root):
    assert changed_by(root, "report/figures.py") == {"compare"}
    assert changed_by(root, "evaluation/embedding.py") == {"evaluate"}
    assert changed_by(root, "evaluation/statistics.py") == {"evaluate", "compare"}


def test_another_class_under_the_same_name_is_another_head(root, monkeypatch):
    before = codes(root)
    settings, _ = HEADS["linear"]
    monkeypatch.setitem(HEADS, "linear", (settings, HEADS["gru"][1]))
    assert {name for name, code in codes(root).items() if before[name] != code} == {"linear"}


def test_another_way_to_split_trains_nothing_by_itself(root):
    assert changed_by(root, "data/splits.py") == {"split"}


def test_comments_docstrings_and_layout_do_not_count_but_values_do(root):
    assert changed_by(root, "models/layers.py", "# a comment") == set()
    path = root / "models/linear.py"
    before, text = codes(root), path.read_text()
    path.write_text(
        text.replace('"""Statistics over time', '"""The statistics over time').replace("(settings: ", "(\n settings: ")
    )
    assert path.read_text() != text
    assert codes(root) == before
    path.write_text(text.replace("eps=0.0", "eps=1e-6"))
    assert codes(root)["linear"] != before["linear"]


def test_imports_anywhere_are_followed_and_what_cannot_be_is_an_error(root):
    (root / "stages/a.py").write_text("def f():\n    from data import errors, shards\n")
    shards = {"data.shards", "data.shard_structure", "data.digest"}
    assert set(closure("stages.a", root=root)) == {"stages.a", "data.errors", *shards}
    (root / "stages/a.py").write_text("from . import b\n")
    with pytest.raises(ImportError, match="relative imports"):
        closure("stages.a", root=root)
