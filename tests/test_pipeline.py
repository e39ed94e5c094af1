"""What must hold of the whole pipeline, shown with real `dvc` commands, counting encoder passes."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
import soundfile
import torch

from features.ssl import choose_compute_dtype
from tests.builders import Project, tiny_params, tone, write_emodb, write_whisper

UTTERANCES = 40


def demo_params(**training) -> dict:
    params = tiny_params("demo", **training)
    params["corpora"]["demo"]["exclude"] = {}
    params["features"] = {"hubert": params["features"]["hubert"]}
    params["heads"] = {name: params["heads"][name] for name in ("linear", "gru")}  # two heads are enough here
    return params


@pytest.fixture(scope="module")
def warm(tmp_path_factory, demo_corpus) -> Project:
    """A project in which everything has run once. Copy it before changing anything."""
    project = Project.create(tmp_path_factory.mktemp("warm") / "project", demo_params())
    shutil.copytree(demo_corpus, project.folder / "corpora/demo")
    first = project.repro()
    assert first.encoded == UTTERANCES
    assert first.ran[0] == "check"
    assert first.ran[-1] == "compare"
    return project


@pytest.fixture
def project(warm, tmp_path) -> Project:
    return warm.copy(tmp_path / "project")


def encoder_stages(project: Project):
    return project.repro("extract")


def test_nothing_changed_runs_nothing(warm):
    again = warm.repro()
    assert again.ran == []
    assert "Data and pipelines are up to date" in again.output


def test_metrics_plots_and_experiments_say_something(project):
    assert "artifacts/evaluation/gru/metrics.json" in project.run("dvc", "metrics", "show")
    project.run("dvc", "plots", "show")
    page = (project.folder / "dvc_plots/index.html").read_text()
    assert "gru: confusion" in page
    for title in (
        "Difference to the reference head",
        "Speaker identification accuracy",
        "Learning curves",
        "Embeddings",
    ):
        assert title in page
    project.commit()
    assert "ua_low" in project.run("dvc", "exp", "show", "--csv")


def test_a_heads_parameter_trains_that_head_alone(project):
    params = project.read_params()
    params["heads"]["gru"]["hidden_size"] = 5
    project.write_params(params)
    change = project.repro()
    assert change.ran == ["check", "train@gru", "evaluate@gru", "compare"]
    assert change.encoded == 0


@pytest.mark.slow
def test_a_head_trains_again_when_code_that_it_runs_changes_and_only_then(project):
    def edit(file: str, line: str) -> list[str]:
        path = project.folder / file
        path.write_text((path.read_text() if path.exists() else "") + f"\n\n{line}\n")
        change = project.repro()
        assert change.encoded == 0
        return change.ran

    (project.folder / "models/mlp.py").write_text("from models.head import Head\n")
    assert edit("models/__init__.py", "import models.mlp") == ["code"]
    assert edit("models/gru.py", "SOMETHING = 1") == ["code", "train@gru", "evaluate@gru", "compare"]
    halved = "whole = FeatureSet.frames\nFeatureSet.frames = lambda self, *where: whole(self, *where) * np.float16(0.5)"
    heads = {f"{stage}@{head}" for stage in ("train", "evaluate") for head in ("linear", "gru")}
    assert set(edit("features/store.py", halved)) == {"code", *heads, "compare"}


def test_how_the_report_looks_costs_no_evaluation(project):
    template = project.folder / "report/templates/style.css.j2"
    template.write_text(template.read_text().replace("max-width: 66rem", "max-width: 60rem"))
    assert project.repro().ran == ["code", "compare"]
    assert "max-width: 60rem" in (project.folder / "artifacts/report/index.html").read_text()

    params = project.read_params()
    params["report"]["reference"] = "gru"
    project.write_params(params)
    assert project.repro().ran == ["check", "compare"]
    assert "Compared with gru" in (project.folder / "artifacts/report/index.html").read_text()


def test_the_order_of_classes_and_heads_is_that_of_the_report_and_nothing_else(project):
    """DVC does not see the order of a dictionary; the stage check hands it to the report."""
    params = project.read_params()
    page = (project.folder / "artifacts/report/index.html").read_text()
    assert orders_shown(page) == (list(params["tasks"]["emotions"]["classes"]), ["linear", "gru"], "linear")
    for section, key in ((params["tasks"]["emotions"], "classes"), (params, "heads")):
        section[key] = dict(reversed(section[key].items()))
    project.write_params(params)
    assert project.repro().ran == ["check", "compare"]
    page = (project.folder / "artifacts/report/index.html").read_text()
    assert orders_shown(page) == (list(params["tasks"]["emotions"]["classes"]), ["gru", "linear"], "gru")


def orders_shown(page: str) -> tuple[list[str], list[str], str]:
    """The classes of a confusion matrix (rows and columns agree) and of a table per class; the heads; the reference."""
    confusion = page[page.index('<table class="confusion">') :].split("</table>")[0]
    columns = re.findall(r'<th scope="col">([^<]+)</th>', confusion)
    per_class = page[page.index("<caption>Per class") :].split("</table>")[0]
    assert columns == re.findall(r'<th scope="row">([^<]+)</th>', confusion)
    assert columns == re.findall(r'<th scope="row">([^<]+)</th>', per_class)
    heads = re.findall(r'<section class="head" id="([^"]+)"', page)
    return columns, heads, re.search(r"Compared with ([^<]+)<", page)[1]


def test_how_it_runs_is_no_reason_to_run_again(project):
    params = project.read_params()
    params["runtime"] = {"device": "cpu", "batch_size": 3, "workers": 2}
    project.write_params(params)
    assert project.repro().ran == ["check"]


def test_other_classes_encode_nothing(project):
    params = project.read_params()
    del params["heads"]["gru"]
    params["tasks"]["emotions"]["classes"] = {"low": ["neu", "sad"], "high": ["hap", "exc", "ang", "fru"]}
    project.write_params(params)
    change = project.repro()
    assert change.ran == ["check", "split@emotions", "train@linear", "evaluate@linear", "compare"]
    assert change.encoded == 0


def test_one_changed_or_added_file_is_one_encoder_pass(project):
    corpus = project.folder / "corpora/demo"
    path = min(corpus.glob("Session2/sentences/wav/*/*.wav"))
    soundfile.write(path, tone(1.0), 16000)
    change = encoder_stages(project)
    assert change.encoded == 1
    assert "5 shards: 4 kept, 1 made" in change.output

    dialog = path.parent.name
    annotations = corpus / f"Session2/dialog/EmoEvaluation/{dialog}.txt"
    line = f"[90.0000 - 91.0000]\t{dialog}_F999\tneu\t[2.5000, 2.5000, 2.5000]\n"
    annotations.write_text(annotations.read_text() + line)
    soundfile.write(path.with_name(f"{dialog}_F999.wav"), tone(0.8), 16000)
    assert encoder_stages(project).encoded == 1


def test_three_seconds_then_two_then_three_again(project):
    params = project.read_params()
    original = params["features"]["hubert"]["clips"]["seconds"]
    params["features"]["hubert"]["clips"]["seconds"] = 0.5
    project.write_params(params)
    assert encoder_stages(project).encoded == UTTERANCES
    params["features"]["hubert"]["clips"]["seconds"] = original
    project.write_params(params)
    assert encoder_stages(project).encoded == 0


@pytest.mark.slow
def test_back_again_costs_nothing_even_without_dvcs_run_cache(project):
    """The lists that stand in the outputs find the shards in DVC's cache."""
    params = project.read_params()
    before = project.bytes_below("artifacts/features/hubert/demo")
    shutil.rmtree(project.folder / ".dvc/cache/runs")
    for seconds, encoded in ((0.5, UTTERANCES), (2.0, 0)):
        params["features"]["hubert"]["clips"]["seconds"] = seconds
        project.write_params(params)
        assert encoder_stages(project).encoded == encoded
        shutil.rmtree(project.folder / ".dvc/cache/runs")
    assert project.bytes_below("artifacts/features/hubert/demo") == before


def compute_types() -> tuple[str, str]:
    """This machine's own type, and another one."""
    own = str(choose_compute_dtype("auto", torch.device("cpu"))).removeprefix("torch.")
    return own, "float32" if own != "float32" else "bfloat16"


def set_compute_dtype(project: Project, name: str) -> int:
    """Change the type, extract, and count the encoder passes."""
    params = project.read_params()
    params["features"]["hubert"]["compute_dtype"] = name
    project.write_params(params)
    return encoder_stages(project).encoded


@pytest.mark.slow
def test_features_never_change_their_compute_type_unasked(project):
    """A cache that holds both types: what has not changed keeps its bytes, whatever else would do."""
    own, other = compute_types()
    before = project.bytes_below("artifacts/features/hubert/demo")
    assert set_compute_dtype(project, other) == UTTERANCES  # a named type is kept to
    in_other = project.bytes_below("artifacts/features/hubert/demo")
    assert in_other["Session1.h5"] != before["Session1.h5"]

    path = min((project.folder / "corpora/demo").glob("Session3/sentences/wav/*/*.wav"))
    soundfile.write(path, tone(1.0), 16000)
    shutil.rmtree(project.folder / ".dvc/cache/runs")
    assert set_compute_dtype(project, "auto") == 1  # of Session3 the rest is there in this machine's type, too
    after = project.bytes_below("artifacts/features/hubert/demo")
    changed = {name for name in in_other if in_other[name] != after[name]}
    assert changed == {"Session3.h5", "Session3.json", "pieces.json"}
    listing = project.run("python", "-m", "app.cli", "store", "ls")
    assert f"{own}: Session3" in listing
    assert f"{other}: Session1, Session2, Session4, Session5" in listing


@pytest.mark.slow
def test_a_discarded_set_is_really_encoded_again(project):
    before = project.bytes_below("artifacts/features/hubert/demo")
    output = project.run("python", "-m", "app.cli", "store", "discard", "hubert/demo")
    assert "discarded 5 shards of hubert/demo" in output
    assert not (project.folder / "artifacts/features/hubert/demo").exists()
    assert encoder_stages(project).encoded == UTTERANCES
    assert project.bytes_below("artifacts/features/hubert/demo") == before
    output = project.run("python", "-m", "app.cli", "store", "discard", "hubrt", ok=False)
    assert "no feature set 'hubrt'; did you mean 'hubert'?" in output
    for name in ("..", ".", "../heads"):
        assert "no feature set" in project.run("python", "-m", "app.cli", "store", "discard", name, ok=False)
    assert (project.folder / "artifacts/heads/gru").is_dir()


@pytest.mark.slow
def test_a_byte_that_flips_on_the_disk_is_found_and_repaired(project):
    """The same file stands in artifacts/ and in DVC's cache, and nothing but its content shows the damage."""
    before = project.bytes_below("artifacts/features/hubert/demo")
    flip_a_byte(project.folder / "artifacts/features/hubert/demo/Session4.h5")
    output = project.run("python", "-m", "stages.train", "linear", ok=False)
    assert "Session4.h5: damaged" in output
    assert "ser store repair" in output
    assert "Session4.h5" in project.run("python", "-m", "app.cli", "store", "repair")
    assert encoder_stages(project).encoded == UTTERANCES // 5
    assert project.bytes_below("artifacts/features/hubert/demo") == before
    assert "5 shards are intact" in project.run("python", "-m", "app.cli", "store", "verify")


def flip_a_byte(path: Path) -> None:
    """Change one byte and nothing that a file system shows."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(before.st_mode)


@pytest.mark.slow
def test_one_preset_then_another_then_the_first_again(project):
    write_emodb(project.folder / "corpora/emodb")
    write_whisper(project.folder / "openai/whisper-tiny.en")
    first = project.read_params()
    project.write_params(tiny_params("emodb"))
    assert encoder_stages(project).encoded == 2 * 70  # with Whisper, and MFCCs
    project.write_params(first)
    assert encoder_stages(project).encoded == 0


def test_bad_parameters_stop_dvc_with_the_reason(project):
    params = project.read_params()
    params["heads"]["gru"]["hiden_size"] = 3
    project.write_params(params)
    output = project.run("dvc", "repro", ok=False)
    assert "error: params.yaml: heads.gru.hiden_size: unknown parameter; did you mean 'hidden_size'?" in output
    assert "Traceback" not in output


def test_a_colleague_without_corpus_or_gpu(project, tmp_path):
    """Pulls the results, then changes one head and trains it on the shared features."""
    remote = tmp_path / "shared-cache"
    project.run("dvc", "remote", "add", "--default", "team", str(remote))
    project.run("dvc", "push")
    project.commit()  # with dvc.lock
    clone = Project(tmp_path / "clone")
    project.git("clone", "--quiet", str(project.folder), str(clone.folder))

    clone.run("dvc", "pull", "evaluate", "compare")
    assert (clone.folder / "artifacts/report/index.html").is_file()
    assert not (clone.folder / "artifacts/features").exists()

    params = clone.read_params()
    params["heads"]["gru"]["hidden_size"] = 5
    clone.write_params(params)
    change = clone.repro("--pull", "--allow-missing")
    assert change.ran == ["check", "train@gru", "evaluate@gru", "compare"]
    assert change.encoded == 0
    page = (clone.folder / "artifacts/report/index.html").read_text()
    assert "linear" in page
    assert "hidden_size: <code>5</code>" in page

    # With the corpus, too: one new recording is one pass.
    clone.run("dvc", "pull")
    shutil.copytree(project.folder / "corpora", clone.folder / "corpora")
    path = min(clone.folder.glob("corpora/demo/Session2/sentences/wav/*/*.wav"))
    soundfile.write(path, tone(1.0), 16000)
    assert encoder_stages(clone).encoded == 1

    shutil.rmtree(clone.folder / "artifacts/evaluation/linear")
    output = clone.run("python", "-m", "stages.compare", ok=False)
    assert "no evaluation of linear" in output
    assert "dvc pull evaluate" in output


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def finished_pieces(project: Project) -> set[str]:
    folder = project.folder / "artifacts/.pieces"
    return {path.name for path in folder.glob("*") if not path.name.endswith(".partial")} if folder.exists() else set()


def kill_after_a_piece(project: Project, stage: str, *arguments: str) -> None:
    """Run a stage and kill it with SIGKILL, workers and all, as soon as it has finished another piece."""
    known = finished_pieces(project)
    process = project.start("python", "-m", f"stages.{stage}", *arguments)
    wait_for(lambda: finished_pieces(project) - known or process.poll() is not None)
    assert process.poll() is None, "it was too fast to be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    lock = project.folder / "artifacts/.lock"
    wait_for(lambda: not _workers(lock.read_text().strip()), seconds=10)


def _workers(parent: str) -> list[str]:
    """Processes whose parent is, or was, this one and that have not ended."""
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == parent and fields[0] != "Z":
            children.append(status.parent.name)
    return children


@pytest.mark.slow
def test_killed_in_extract_and_in_train_it_goes_on_and_ends_in_the_same_bytes(project):
    expected = {folder: project.bytes_below(folder) for folder in ("artifacts/features", "artifacts/heads/gru")}
    for folder in ("artifacts/.pieces", ".dvc/cache", *expected):  # nothing is left that could be found again
        shutil.rmtree(project.folder / folder)

    kill_after_a_piece(project, "extract", "demo", "hubert")
    assert not (project.folder / "artifacts/features/hubert/demo").exists()
    rest = project.repro("--no-run-cache", "--single-item", "--force", "extract@demo-hubert")
    assert 0 < rest.encoded < UTTERANCES
    assert project.bytes_below("artifacts/features") == expected["artifacts/features"]

    kill_after_a_piece(project, "train", "gru")
    assert not (project.folder / "artifacts/heads/gru").exists()
    rest = project.repro("--no-run-cache", "--single-item", "--force", "train@gru")
    assert "0 kept" not in rest.output
    assert project.bytes_below("artifacts/heads/gru") == expected["artifacts/heads/gru"]


def test_a_second_stage_is_refused_and_a_killed_dvc_takes_its_stage_along(project):
    shutil.rmtree(project.folder / "artifacts/.pieces")
    lock = project.folder / "artifacts/.lock"
    lock.write_text("")
    dvc = project.start("dvc", "repro", "--no-run-cache", "--single-item", "--force", "extract@demo-hubert")
    wait_for(lambda: lock.read_text().strip() != "")
    holder = lock.read_text().strip()
    os.kill(int(holder), signal.SIGSTOP)  # so that it does not end too soon
    output = project.run("python", "-m", "stages.extract", "demo", "hubert", ok=False)
    assert f"error: another stage is writing to artifacts/ (process {holder})" in output
    os.kill(dvc.pid, signal.SIGKILL)
    dvc.wait()
    os.kill(int(holder), signal.SIGCONT)
    wait_for(lambda: _has_ended(holder), seconds=10)
    assert not (project.folder / "artifacts/features/hubert/demo").exists()


def _has_ended(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_bad_input_is_named_and_nothing_is_half_written(project):
    corpus = project.folder / "corpora/demo"
    bad = min(corpus.glob("Session3/sentences/wav/*/*.wav"))
    bad.write_text("not sound")
    output = project.run("dvc", "repro", ok=False)
    assert "1 audio file cannot be used" in output
    assert f"{bad.name}: unreadable" in output
    assert "Traceback" not in output
    assert not (project.folder / "artifacts/clips/demo/hubert").exists()

    params = project.read_params()
    params["features"]["hubert"]["clips"]["on_error"] = "skip"
    del params["heads"]["gru"]
    project.write_params(params)
    skipping = project.repro()
    assert "1 files skipped" in skipping.output
    assert "1 utterances were skipped" in (project.folder / "artifacts/report/index.html").read_text()

    corpus.rename(corpus.with_name("elsewhere"))
    output = project.run("python", "-m", "stages.manifest", "demo", ok=False)
    assert output.startswith("error: there is no corpus folder corpora/demo")
