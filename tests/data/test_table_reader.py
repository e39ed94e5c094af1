"""Any corpus by a table, by its paths, or by both; and what is said of tables that cannot be right."""

import json

import pandas as pd
import pytest

from data.audio import Excerpt, read_waveform
from data.corpora.table import Parameters
from data.errors import UserError
from data.manifest import build_manifest
from tests.builders import write_wav

NAMES = ["ann_happy_1", "ann_sad_2", "bob_happy_1", "bob_sad_2"]
COLUMNS = {"path": "file", "emotion": "label", "speaker": "who"}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A corpus of four files, in its place."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(NAMES):
        write_wav(tmp_path / "corpora/ours/wav" / f"{name}.wav", 0.3, frequency=200 + 50 * number)
    return tmp_path / "corpora/ours"


def rows(**columns: list) -> pd.DataFrame:
    """A table of the four files; columns may give the first rows' cells only."""
    parts = [name.split("_") for name in NAMES]
    table = {"file": [f"wav/{name}.wav" for name in NAMES], "label": [part[1] for part in parts]}
    table = {**table, "who": [part[0] for part in parts]}
    for name, cells in columns.items():
        table[name] = [*cells, *table.get(name, [""] * len(NAMES))[len(cells) :]]
    return pd.DataFrame(table)


def build(columns=COLUMNS, **settings):
    if "table" in settings:
        settings["columns"] = columns
    return build_manifest("ours", Parameters(reader="table", **settings))


def plain(manifest) -> list[tuple]:
    return list(manifest.rows[["id", "path", "speaker", "emotion"]].itertuples(index=False, name=None))


EXPECTED = [(f"wav/{name}", f"wav/{name}.wav", name.split("_")[0], name.split("_")[1]) for name in NAMES]
WRITERS = {
    "labels.csv": lambda table, path: table.to_csv(path, index=False),
    "labels.tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "labels.jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
    "labels.parquet": lambda table, path: table.to_parquet(path),
    "labels.xlsx": lambda table, path: table.to_excel(path, index=False),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_table_says_the_same(root, name):
    WRITERS[name](rows(v=[1, 2.5, None, 4], take=["01", "02", "03", "04"]), root / name)
    found = build({**COLUMNS, "valence": "v", "text": "take"}, table=name)
    assert plain(found) == EXPECTED
    assert found.rows["valence"].fillna(-1).tolist() == [1, 2.5, -1, 4]
    assert found.rows["text"].tolist() == ["01", "02", "03", "04"]
    assert found.rows["shard"].tolist() == ["speaker-ann", "speaker-ann", "speaker-bob", "speaker-bob"]


def test_a_table_may_be_beside_the_corpus_and_its_paths_come_from_windows(root, tmp_path):
    path = tmp_path / "data/tables/ours/all/labels.csv"
    path.parent.mkdir(parents=True)
    folders = ["C:\\Corpora\\Ours\\wav\\", "wav\\", ".\\wav\\", ""]
    table = rows(file=[f"{folder}{name}.wav" for folder, name in zip(folders, NAMES, strict=True)])
    path.write_bytes(table.to_csv(index=False, sep=";").replace("\n", "\r\n").encode("utf-8-sig"))
    assert plain(build(table="all/labels.csv")) == EXPECTED


@pytest.mark.parametrize(
    "given", ["ann_happy_1", "ann_happy_1.wav", "./wav/ann_happy_1.wav", "/mnt/a/wav/ann_happy_1.wav"]
)
def test_a_file_is_found_by_as_much_of_its_path_as_the_table_has(root, given):
    rows(file=[given]).to_csv(root / "labels.csv", index=False)
    assert plain(build(table="labels.csv")) == EXPECTED
    write_wav(root / "other/ann_happy_1.wav")
    if given in ("ann_happy_1", "ann_happy_1.wav"):
        with pytest.raises(UserError, match=r"1 of 4 files are not in .*:\n  ann_happy_1"):
            build(table="labels.csv")


def test_another_encoding_is_read_and_said(root):
    rows(who=["Zoë", "Zoë", "Åsa", "Åsa"]).to_csv(root / "labels.csv", index=False, encoding="cp1252")
    found = build(table="labels.csv")
    assert set(found.rows["speaker"]) == {"Zoë", "Åsa"}
    assert "labels.csv is not UTF-8 (line 2), so it was read as Windows-1252" in found.notes[0]
    rows(who=["Zoë", "Zoë", "Åsa", "Åsa"]).to_csv(root / "labels.csv", index=False, encoding="utf-16")
    assert set(build(table="labels.csv").rows["speaker"]) == {"Zoë", "Åsa"}
    (root / "labels.csv").write_bytes(b"file,label,who\nwav/a.wav,happy,\x81\xff\n")
    with pytest.raises(UserError, match="neither UTF-8 \\(line 2\\) nor Windows-1252"):
        build(table="labels.csv")


def test_utterances_within_a_long_file_are_its_parts(root):
    write_wav(root / "long.wav", 2.0)
    table = pd.DataFrame({"file": "long.wav", "label": ["happy", "sad", "sad"], "who": "ann"})
    table.assign(a=["0", "0,5", "1.25"], b=["0,5", "1,25", ""]).to_csv(root / "parts.csv", index=False, sep=";")
    found = build({**COLUMNS, "start": "a", "end": "b"}, table="parts.csv").rows
    assert found["id"].tolist() == ["long_0000000-0000500", "long_0000500-0001250", "long_0001250"]
    parts = [Excerpt(root / row.path, row.start, None if pd.isna(row.end) else row.end) for row in found.itertuples()]
    assert [len(read_waveform(part, 16000)) for part in parts] == [8000, 12000, 12000]


def test_paths_alone_say_it_by_a_pattern(root):
    pattern = r"(?P<speaker>[a-z]+)_(?P<emotion>[a-z]+)_(?P<text>\d)"
    assert plain(build(pattern=pattern)) == EXPECTED
    write_wav(root / "calibration.wav")
    with pytest.raises(UserError, match=r"corpora\.ours\.pattern: 1 of 5 paths do not match[\s\S]*calibration\.wav"):
        build(pattern=pattern)
    assert plain(build(pattern=pattern, files="wav/**/*.wav")) == EXPECTED
    with pytest.raises(UserError, match=r"no file is like speech/\*\.wav"):
        build(pattern=pattern, files="speech/*.wav")


def test_a_pattern_says_what_the_table_lacks(root):
    rows().to_csv(root / "labels.csv", index=False)
    both = build({"path": "file", "emotion": "label"}, table="labels.csv", pattern=r"/(?P<speaker>[a-z]+)_")
    assert plain(both) == EXPECTED
    alone = build({"path": "file", "emotion": "label"}, table="labels.csv")
    assert "nothing says who is speaking" in alone.notes[0]
    assert alone.rows["shard"].str.fullmatch(r"part-\d\d").all()


def test_files_that_differ_in_their_ending_keep_it_in_their_ids(root):
    write_wav(root / "wav/ann_sad_2.flac")
    found = build(pattern=r"(?P<speaker>[a-z]+)_(?P<emotion>[a-z]+)_")
    assert found.rows["id"].tolist() == [
        *("wav/ann_happy_1", "wav/ann_sad_2.flac", "wav/ann_sad_2.wav", "wav/bob_happy_1", "wav/bob_sad_2")
    ]


@pytest.mark.parametrize(
    ("fold", "folds"),
    [
        (["1", "2", "1", "2"], {"fold": ["1", "2", "1", "2"]}),
        (["Train", "dev", "", "Test"], {"fold_0": ["train", "validation", "", "test"]}),
    ],
)
def test_a_column_of_folds_is_kept_with_the_manifest(root, fold, folds):
    rows(part=fold, sex=["W", "f", "Male", "m"]).to_csv(root / "labels.csv", index=False)
    found = build({**COLUMNS, "fold": "part", "gender": "sex"}, table="labels.csv")
    assert found.folds.to_dict("list") == {"id": found.rows["id"].tolist(), **folds}
    assert found.rows["gender"].tolist() == ["female", "female", "male", "male"]


def test_a_test_set_of_another_name_makes_no_folds_of_train_and_test(root):
    rows(part=["Train", "dev", "Test1", "Test2"]).to_csv(root / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"names roles \(Train, dev\) and something else \(Test1, Test2\)"):
        build({**COLUMNS, "fold": "part"}, table="labels.csv")


MISTAKES = [
    ({"file": ["wav/x.wav"]}, {}, r"1 of 4 files are not in .*like wav/ann_happy_1\.wav\. .*:\n  wav/x"),
    ({"file": ["wav\\ann_hapy_1.wav"]}, {}, r"ann_hapy_1\.wav; did you mean 'wav/ann_happy_1\.wav'\?"),
    ({"file": ["ann_sad_2.wav"]}, {}, r"1 file has more than one row[\s\S]*wav/ann_sad_2\.wav: rows 2, 3"),
    ({"file": [""]}, {}, r"1 rows have no path:\n  row 2"),
    ({"file": ["ann_sad_2.wav"], "a": [""]}, {"start": "a"}, "fill in their start and end in seconds"),
    ({"label": [""]}, {}, r"1 of 4 rows have no emotion[\s\S]*exclude[\s\S]*row 2: wav/ann_happy_1\.wav"),
    ({"a": ["x"]}, {"start": "a"}, r"1 cells of start are not seconds:\n  row 2: 'x'"),
    ({"a": ["0"], "b": ["0"]}, {"start": "a", "end": "b"}, r"1 utterances do not start before they end"),
    ({"a": ["0"], "b": ["9"]}, {"start": "a", "end": "b"}, r"0 s to 9 s, and wav/ann_happy_1\.wav lasts 0\.300 s"),
    ({}, {"emotion": "lable"}, r"columns\.emotion: .* has no column 'lable'; did you mean 'label'\? \(there are file,"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "columns", "message"), MISTAKES)
def test_a_table_that_cannot_be_right_is_refused(root, changed, columns, message):
    rows(**changed).to_csv(root / "labels.csv", index=False)
    with pytest.raises(UserError, match=message):
        build({**COLUMNS, **columns}, table="labels.csv")


def test_a_table_that_is_not_there_or_none_is_named(root, tmp_path):
    rows().to_csv(root / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"no lables\.csv in corpora/ours or data/tables/ours; did you mean 'labels"):
        build(table="lables.csv")
    (tmp_path / "data/tables/ours/new").mkdir(parents=True)
    rows().to_csv(tmp_path / "data/tables/ours/new/meta.csv", index=False)
    with pytest.raises(UserError, match=r"did you mean 'new/meta\.csv'"):
        build(table="meta.csv")
    for name, content, message in (
        ("empty.csv", "", "cannot be read as a table"),
        ("header.csv", "file,label,who\n", "no rows"),
        ("twice.csv", "file,who, who\na,b,c\n", "more than one column is named 'who'"),
        ("broken.jsonl", json.dumps({"file": "a"}) + "\n[1]\n", "line 2: expected a JSON object"),
        ("broken.xlsx", "no workbook", "cannot be read"),
        ("broken.parquet", "no parquet", "cannot be read"),
        ("labels.doc", "", "expected a table that ends in"),
    ):
        (root / name).write_text(content)
        with pytest.raises(UserError, match=message):
            build(table=name)
