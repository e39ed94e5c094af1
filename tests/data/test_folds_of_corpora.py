"""Folds and tables that a corpus brings: from the manifest stage to the split, and to whoever does not have them."""

from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from data.errors import UserError
from data.manifest_folder import FOLDS, join_manifest_folders, read_manifest_folder, write_manifest_folder
from data.split_settings import SplitSettings
from data.splits import make_splits
from data.task_description import CorpusDescription
from data.utterance import COLUMNS
from stages import manifest as manifest_stage
from stages import split as split_stage
from stages.code import tables_of
from stages.layout import manifest_folder, manifest_index
from tests.builders import write_wav

ROLES = {"fold_0": ["train", "train", "test", "test"], "fold_1": ["test", "test", "train", "train"]}


def write_part(corpus: str, folds: dict | None, tables: dict | None = None) -> tuple[Path, Path]:
    """A corpus of four utterances by two speakers, as the manifest stage writes it."""
    rows = pd.DataFrame({"id": list("abcd"), "speaker": list("xxyy"), "emotion": list("nsns")})
    rows = rows.reindex(columns=COLUMNS, fill_value="").assign(valence=None, activation=None, dominance=None)
    folds = None if folds is None else pd.DataFrame({"id": rows["id"], **folds})
    described = {corpus: CorpusDescription(reader="table", utterances=4, speakers=2)}
    part = Path("manifests", corpus), Path("index", f"{corpus}.json")
    write_manifest_folder(part[0], rows.assign(start=None, end=None), described, folds, part[1], tables)
    return part


def split(folder: Path, **settings) -> pd.DataFrame:
    manifest, _ = read_manifest_folder(folder)
    labelled = manifest.assign(label=manifest["emotion"])
    settings = {"scheme": "official", "validation": "none", **settings}
    return make_splits(labelled, SplitSettings(**settings), manifest, folder / FOLDS)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_official_folds_are_roles_or_test_groups():
    folder, _ = write_part("one", ROLES)
    assert split(folder)[["fold_0", "fold_1"]].to_dict("list") == ROLES
    folder, _ = write_part("one", {"fold": list("1122")})
    assert split(folder)[["fold_0", "fold_1"]].to_dict("list") == {"fold_0": ROLES["fold_1"], "fold_1": ROLES["fold_0"]}
    folder, _ = write_part("one", {"fold_0": ["train", "train", "validation", "test"]})
    assert split(folder, validation="official")["fold_0"].tolist() == ["train", "train", "validation", "test"]
    with pytest.raises(UserError, match="the corpus names validation utterances of its own"):
        split(folder)


def test_joined_corpora_bring_their_folds_number_by_number():
    parts = {name: write_part(name, ROLES) for name in ("one", "two")}
    join_manifest_folders(Path("both"), parts)
    both = split(Path("both"))
    assert both["id"].tolist() == [f"{corpus}:{name}" for corpus in ("one", "two") for name in "abcd"]
    assert both[["fold_0", "fold_1"]].to_dict("list") == {name: 2 * roles for name, roles in ROLES.items()}
    parts["two"] = write_part("two", {"fold_0": ROLES["fold_0"]})
    join_manifest_folders(Path("both"), parts)
    with pytest.raises(UserError, match=r"bring different folds \(one: fold_0, fold_1; two: fold_0\)"):
        split(Path("both"))
    parts["two"] = write_part("two", None)
    join_manifest_folders(Path("both"), parts)
    with pytest.raises(UserError, match="two brings no folds of its own"):
        split(Path("both"))


def write_project(names: tuple[str, ...] = ("ann", "bob")) -> None:
    """A corpus of two speakers whose table is beside it, and a task with its official folds."""
    rows = ["file,label,who,part"]
    for name in names:
        for number, code in enumerate(("happy", "sad")):
            write_wav(Path(f"corpora/ours/{name}_{code}.wav"), 0.1, frequency=200 + 90 * number)
            rows.append(f"{name}_{code}.wav,{code},{name},{'test' if name == names[0] else 'train'}")
    table = Path("data/tables/ours/labels.csv")
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("\n".join(rows) + "\n")
    columns = {"path": "file", "emotion": "label", "speaker": "who", "fold": "part"}
    task = {"corpus": "ours", "classes": {"happy": ["happy"], "sad": ["sad"]}}
    params = {
        "corpora": {"ours": {"reader": "table", "table": "labels.csv", "columns": columns}},
        "tasks": {"emotions": {**task, "split": {"scheme": "official", "validation": "none"}}},
    }
    YAML().dump(params, Path("params.yaml"))
    Path("artifacts").mkdir(exist_ok=True)


def test_the_stages_read_a_table_beside_the_corpus_and_name_codes_it_does_not_have(capsys):
    write_project()
    manifest_stage.main("ours")
    split_stage.main("emotions")
    assert "4 utterances (happy 2, sad 2) in 1 folds" in capsys.readouterr().out
    params = YAML(typ="safe").load(Path("params.yaml"))
    params["tasks"]["emotions"]["classes"]["sad"] = ["sda"]
    YAML().dump(params, Path("params.yaml"))
    with pytest.raises(
        UserError, match=r"classes\.sad: ours has no code 'sda'; did you mean 'sad'\? \(there are happy 2"
    ):
        split_stage.main("emotions")


def test_another_table_is_another_dependency_and_nobody_is_asked_for_one_that_they_do_not_have():
    write_project()
    first = tables_of("ours")
    assert first.endswith("  labels.csv\n")
    manifest_stage.main("ours")
    write_project(("cid", "dan"))
    assert tables_of("ours") != first
    Path("data/tables/ours/labels.csv").unlink()
    Path("data/tables/ours").rmdir()
    assert tables_of("ours") == "no tables\n"  # the corpus is here: its table should be, too
    Path("corpora/ours").rename("elsewhere")
    assert tables_of("ours") == first  # a colleague's clone, with the index
    manifest_index("ours").unlink()
    assert tables_of("ours") == "no tables\n"


def test_the_index_tells_the_joined_manifest_of_tables_without_asking_for_them():
    parts = {name: write_part(name, ROLES, {"labels.csv": "0" * 64}) for name in ("one", "two")}
    assert len(join_manifest_folders(Path("both"), parts)) == 8
    (parts["one"][0] / FOLDS).unlink()
    with pytest.raises(UserError, match="is not the manifest that"):
        join_manifest_folders(Path("both"), parts)


def test_folds_are_those_of_the_utterances_that_are_kept():
    write_project()
    params = YAML(typ="safe").load(Path("params.yaml"))
    params["corpora"]["ours"]["exclude"] = {"emotion": ["sad"]}
    YAML().dump(params, Path("params.yaml"))
    manifest_stage.main("ours")
    assert pd.read_csv(manifest_folder("ours") / FOLDS)["id"].tolist() == ["ann_happy", "bob_happy"]
