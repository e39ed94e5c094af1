"""`ser predict`, as a person or a script runs it."""

import csv
import io
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as some
from ruamel.yaml import YAML

from app.predict import Timeline, _read, _read_ahead, run
from app.prediction_formats import Outputs, Predicted, Row, audacity, contiguous, textgrid
from app.prediction_inputs import find_recordings
from app.trained import best_head, describe_default, find_head, open_trained
from data.clips import open_clips
from data.errors import UserError
from features.extraction import extract_shard
from features.kinds import open_encoder
from tests.builders import write_wav
from tests.trained_heads import TrainedHead, train_on_recordings

SMALL = Path("small")
CLASSES = ["low", "middle", "high"]
COLUMNS = ["file", "start", "end", "predicted", "confidence", "p_low", "p_middle", "p_high"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, TrainedHead]:
    """A head for classes, with two runs, and one for ratings. Read only."""
    folder = tmp_path_factory.mktemp("trained")
    return {
        "small": train_on_recordings(folder / "classes", folds=2),
        "rated": train_on_recordings(folder / "ratings", ratings=True),
    }


@pytest.fixture
def project(trained, tmp_path, monkeypatch):
    """A project's folder, with what commands need of it, and a few recordings."""
    folder = tmp_path / "project"
    settings = {name: json.loads(head.settings.model_dump_json()) for name, head in trained.items()}
    heads = {name: {"features": f"of_{name}/demo"} for name in trained}
    for name, head in trained.items():
        shutil.copytree(head.folder, folder / "artifacts/heads" / name)
    with (folder / "params.yaml").open("w") as file:
        YAML().dump({"heads": heads, "features": {f"of_{name}": values for name, values in settings.items()}}, file)
    for name in ("one.wav", "two.flac", "deep/three.wav"):
        write_wav(folder / "rec" / name, 0.4, frequency=100.0 + 50 * len(name))
    monkeypatch.chdir(folder)
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_each_recording_gets_a_row_of_what_the_predictor_says(project, capsys):
    assert run(["rec", "rec/one.wav"], head=SMALL) == 0
    out, err = capsys.readouterr()
    rows = rows_of(out)
    assert list(rows[0]) == COLUMNS
    assert [row["file"] for row in rows] == ["rec/one.wav", "rec/two.flac", "rec/deep/three.wav"]
    predictor = open_trained(project / "artifacts/heads/small")
    for row in rows:
        expected = predictor.predict_file(project / row["file"]).outputs
        np.testing.assert_allclose([float(row[f"p_{name}"]) for name in CLASSES], expected, atol=1e-4)
        assert row["predicted"] == CLASSES[expected.argmax()]
        assert row["confidence"] == row[f"p_{row['predicted']}"]
        assert (row["start"], row["end"]) == ("0.000", "0.400")
    assert "1 given more than once" in err
    assert "small (low, middle, high): the mean probabilities of 2 models; encoder untrained:0,layers=2" in err
    assert "caution: The encoder is untrained" in err


def test_what_cannot_be_read_does_not_stop_the_rest_and_ends_with_status_1(project, capsys):
    (project / "rec/a.wav").write_text("this is text")
    soundfile.write(project / "rec/silent.wav", np.zeros(16000), 16000)
    write_wav(project / "rec/zz.wav", 0.01)
    (project / "rec/empty").mkdir()
    assert run(["rec", "gone.wav", "rec/empty"], head=SMALL) == 1
    out, err = capsys.readouterr()
    assert len(rows_of(out)) == 3
    assert "5 of 8 could not be predicted:\n" in err
    for name, why in {
        "rec/a.wav": "unreadable",
        "rec/silent.wav": "silent",
        "rec/zz.wav": "too short",
        "gone.wav": "no such file",
        "rec/empty": r"no recordings in this folder \(looked for .wav, ",
    }.items():
        assert re.search(f"  {name}: .*{why}", err), err
    with pytest.raises(UserError, match="rec/empty: no recordings"):
        run(["rec/empty"], head=SMALL)
    with pytest.raises(UserError, match="xxx: no such file"):  # before a head is loaded
        run(["x" * 300], head=Path("no such head"))


def test_names_come_on_standard_input_in_lines_or_between_zeros(project, monkeypatch):
    for content in (b"rec/one.wav\nrec/two.flac\n", b"rec/one.wav\0rec/two.flac\0"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert [str(path) for path in find_recordings(["-"]).recordings] == ["rec/one.wav", "rec/two.flac"]


def test_the_head_with_the_best_validation_is_the_default_and_is_said_to_be(project, capsys):
    assert best_head() == "small"
    run(["rec/one.wav"])
    history = [pd.read_csv(path) for path in project.glob("artifacts/heads/small/*/*/history.csv")]
    mean = np.mean([table["validation_ua"].iloc[-1] for table in history])
    said = capsys.readouterr().err
    assert f"no --head given: small, the best one here on validation ({mean:.1%} UA" in said
    assert "different classes" not in said
    config = project / "artifacts/heads/rated/fold-0/seed-1/config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "targets": None, "classes": ["yes", "no"]}))
    assert "the heads here have different classes" in describe_default()
    path = project / "artifacts/heads/rated/fold-0/seed-1/config.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(UserError, match=r"rated/fold-0/seed-1: half-written or damaged.*--head"):
        best_head()


def test_a_head_on_imported_features_is_never_the_default(project):
    path = project / "params.yaml"
    params = YAML(typ="safe").load(path)
    params["features"]["of_small"]["kind"] = "imported"
    YAML().dump(params, path)
    assert best_head() == "rated"


def test_ratings_have_columns_of_their_own(project, capsys):
    run(["rec/one.wav"], head=Path("rated"))
    (row,) = rows_of(capsys.readouterr().out)
    assert list(row) == ["file", "start", "end", "predicted_valence", "predicted_activation"]
    outputs = open_trained(project / "artifacts/heads/rated").predict_file(project / "rec/one.wav").outputs
    np.testing.assert_allclose([float(value) for value in list(row.values())[3:]], outputs, atol=1e-3)


def test_the_encoder_computes_in_the_type_in_which_the_features_were_made(project, trained):
    features = project / "artifacts/features/of_small/demo"
    for compute_dtype in ("float32", "bfloat16"):
        settings = trained["small"].settings.model_copy(update={"compute_dtype": compute_dtype})
        clips = open_clips(trained["small"].folder.parents[1] / "clips/all.h5")
        features.mkdir(parents=True, exist_ok=True)
        encoder = open_encoder(settings, torch.device("cpu"))
        extract_shard(clips, features / "all.h5", settings, encoder, fingerprint="f" * 64)
        assert open_trained(Path("small")).encoder.compute_type == compute_dtype


def test_json_says_the_same_as_csv_and_what_could_not_be_predicted(project, capsys):
    run(["rec"], head=SMALL, form="csv")
    rows = rows_of(capsys.readouterr().out)
    run(["rec", "gone.wav"], head=SMALL, form="json")
    whole = json.loads(capsys.readouterr().out)
    run(["rec"], head=SMALL, form="jsonl")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert whole["predictions"] == lines
    assert whole["classes"] == CLASSES
    assert whole["models"] == ["fold-0/seed-1", "fold-1/seed-1"]
    assert whole["unusable"] == [{"file": "gone.wav", "reason": "no such file"}]
    for line, row in zip(lines, rows, strict=True):
        assert list(line) == COLUMNS
        assert [f"{line[name]:.6f}" for name in COLUMNS[4:]] == [row[name] for name in COLUMNS[4:]]


def test_what_is_left_of_a_long_recording_is_said_and_the_timeline_covers_it(project, capsys):
    write_wav(project / "long.wav", 2.2)
    run(["long.wav"], head=SMALL)
    out, err = capsys.readouterr()
    assert [(row["start"], row["end"]) for row in rows_of(out)] == [("0.000", "0.500")]
    assert "long.wav: only the first 0.5 s of 2.2 s are predicted, as in training; --hop 1" in err
    run(["long.wav"], head=SMALL, windowed=Timeline(hop=0.3))
    out, err = capsys.readouterr()
    starts = [float(row["start"]) for row in rows_of(out)]
    assert starts == pytest.approx([0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.7])
    assert "only" not in err


def test_of_a_long_recording_only_the_start_is_decoded_with_the_same_result(project):
    predictor = open_trained(project / "artifacts/heads/small")
    for rate in (16000, 44100):
        path = write_wav(project / f"long-{rate}.wav", 15.0, sample_rate=rate)
        clips, whole = _read(path, predictor), predictor.read(path)
        np.testing.assert_array_equal(clips.pieces[0], whole.pieces[0])
        assert (clips.start, clips.end, clips.seconds) == (whole.start, whole.end, whole.seconds)


def test_recordings_are_read_only_a_little_ahead():
    read = []
    some_of_many = _read_ahead(range(10_000), lambda number: read.append(number) or number)
    assert [next(some_of_many)[1] for _ in range(20)] == list(range(20))
    assert len(read) < 60
    some_of_many.close()
    assert len(read) < 60


def test_any_name_of_a_file_survives_every_format(project, capsys):
    names = ['quoted "name" of, a file.wav', "Grüße-日本語-🎤.wav", "x" * 251 + ".wav"]
    names.append(b"bytes-\xff.wav".decode(errors="surrogateescape"))
    for name in names:
        shutil.copy("rec/one.wav", name)
    for form in ("table", "csv", "jsonl", "json", "textgrid", "audacity"):
        assert run(names, head=SMALL, form=form, output=project / f"as-{form}") == 0
    assert run(names, head=SMALL, form="table") == 0
    with (project / "as-csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert [row["file"] for row in csv.DictReader(file)] == names
    assert [json.loads(line)["file"] for line in (project / "as-jsonl").read_text().splitlines()] == names
    assert [row["file"] for row in json.loads((project / "as-json").read_text())["predictions"]] == names
    for form in ("textgrid", "audacity"):
        assert len(list((project / f"as-{form}").iterdir())) == len(names)


def test_recordings_of_the_same_name_get_files_of_their_own(project):
    write_wav(project / "rec/deep/one.wav")
    assert run(["rec"], head=SMALL, form="audacity", output=project / "labels.d") == 0
    names = {path.name for path in (project / "labels.d").iterdir()}
    assert names == {"one.txt", "one-2.txt", "two.txt", "three.txt"}


def test_an_output_that_would_destroy_or_mix_something_is_refused_before_anything_is_predicted(project):
    before = (project / "rec/one.wav").read_bytes()
    for how, why in (
        ({"output": project / "rec/one.wav"}, "this is one of the recordings"),
        ({"form": "textgrid"}, "a file for each recording: say where with --output FOLDER"),
        ({"form": "textgird"}, "did you mean 'textgrid'"),
        ({"output": project / "rec"}, "a folder; name a file"),
        ({"output": project / "all.TextGrid"}, "name a folder"),
        ({"output": project / "no/such/folder.csv"}, "there is no folder .*; make it first"),
    ):
        with pytest.raises(UserError, match=why):
            run(["rec"], head=SMALL, **how)
    assert (project / "rec/one.wav").read_bytes() == before


def test_a_closed_standard_input_is_said_so(project, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="standard input is closed"):
        run(["-"], head=SMALL)


def test_a_run_is_found_by_the_name_of_its_head(project):
    assert find_head(Path("small/fold-0/seed-1")).folders == [Path("artifacts/heads/small/fold-0/seed-1")]
    with pytest.raises(UserError, match="--head small/fold-9/seed-1: no such folder"):
        find_head(Path("small/fold-9/seed-1"))


def test_the_output_has_the_format_of_its_ending(project):
    for name in ("out.csv", "out.json", "out.jsonl", "out.TextGrid"):
        run(["rec/one.wav"], head=SMALL, output=project / name)
    assert (project / "out.csv").read_text().startswith("file,start,end,predicted,")
    assert json.loads((project / "out.json").read_text())["head"] == "small"
    assert json.loads((project / "out.jsonl").read_text())["file"] == "rec/one.wav"
    assert (project / "out.TextGrid").read_text().startswith('File type = "ooTextFile"')


@given(
    seconds=some.floats(0.1, 1000),
    times=some.lists(some.tuples(some.floats(0, 1000), some.floats(0.01, 100)), min_size=1, max_size=30),
)
def test_intervals_cover_a_recording_without_gap_or_overlap(seconds, times):
    starts = sorted({min(start, seconds - 0.05) for start, _ in times if seconds > 0.05} or {0.0})
    rows = [
        Row(start, min(start + length, seconds), np.ones(1)) for start, (_, length) in zip(starts, times, strict=False)
    ]
    intervals = contiguous(Predicted("a.wav", seconds, rows))
    assert intervals[0][0] == 0
    assert intervals[-1][1] == pytest.approx(seconds, abs=1e-5)
    assert all(start < end for start, end, _ in intervals)
    assert all(one[1] == other[0] for one, other in pairwise(intervals))


def test_each_window_gets_what_lies_nearest_to_its_middle():
    rows = [Row(0.0, 3.0, np.array([0.9, 0.1])), Row(1.0, 4.0, None), Row(2.0, 5.0, np.array([0.2, 0.8]))]
    predicted = Predicted("a.wav", 6.0, rows)
    assert contiguous(predicted) == [(0.0, 2.0, rows[0]), (2.0, 3.0, None), (3.0, 5.0, rows[2]), (5.0, 6.0, None)]
    outputs = Outputs(['so "called"\tcalm', "angry"], of_ratings=False)
    assert audacity(predicted, outputs) == '0.000000\t2.000000\tso "called" calm 0.90\n3.000000\t5.000000\tangry 0.80\n'
    grid = textgrid(predicted, outputs)
    assert 'text = "so ""called"" calm"' in grid
    assert re.findall(r"xmin = (\S+)\n +xmax = (\S+)\n +text = (.*)", grid)[4:] == [
        ("0.000000", "2.000000", '"0.90"'),
        ("2.000000", "3.000000", '""'),
        ("3.000000", "5.000000", '"0.80"'),
        ("5.000000", "6.000000", '""'),
    ]


def test_a_table_has_a_bar_for_each_class(project, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    run(["rec/one.wav"], head=SMALL, form="table")
    full = capsys.readouterr().out
    for name in CLASSES:
        assert re.search(rf"^  {name} +[█▏▎▍▌▋▊▉ ]+ \d\.\d\d$", full, re.MULTILINE), full
    write_wav(project / "rec/four.wav", 0.3)
    run(["rec"], head=SMALL, form="table")
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["file", "predicted", *CLASSES]
    assert len(table) == 5
    assert max(map(len, table)) <= 80
