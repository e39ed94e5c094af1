"""The code of docs/interchange.md runs as it stands there."""

import re
from pathlib import Path

import pandas as pd
import pytest

from features.interchange.export import FORMATS, export_features
from features.interchange.selection import Selection
from features.store import FeatureSet
from tests.builders import REPOSITORY, write_features

OWN, LABELS, READING = re.findall(
    r"^```python\n(.*?)^```", (REPOSITORY / "docs/interchange.md").read_text(), flags=re.MULTILINE | re.DOTALL
)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Features, and a split of them in two folds."""
    monkeypatch.chdir(tmp_path)
    ids = FeatureSet(write_features(Path("artifacts/features/hubert/iemocap"))).ids
    rows = [
        {"id": identifier, "label": f"emotion {identifier[-1]}", "fold_0": "test" if identifier < "s2" else "train"}
        for identifier in ids
    ]
    Path("artifacts/splits").mkdir()
    pd.DataFrame(rows).to_csv("artifacts/splits/emotions.csv", index=False)
    return tmp_path


@pytest.mark.filterwarnings("ignore:.*pin_memory")
def test_four_lines_are_a_loader_of_padded_batches(project):
    here = {}
    exec(OWN, here)
    assert here["frames"].shape[2] == 12
    assert here["frames"].shape[:2] == (len(here["ids"]), here["lengths"].max())


def test_labels_and_folds_are_joined_by_id(project):
    here = {}
    exec(OWN.split("dataset = ")[0], here)  # its imports
    exec(LABELS, here)
    assert set(here["train"].ids) == {f"s{speaker}-{n}-{n % 3}" for speaker in range(2, 6) for n in range(10)}
    assert here["labels"].tolist() == [int(identifier[-1]) for identifier in here["ids"]]


@pytest.mark.extras
def test_every_export_is_read_as_the_page_says(project):
    features = FeatureSet(project / "artifacts/features/hubert/iemocap")
    first = features.ids[0]
    for name in FORMATS:
        export_features(Selection(features), name, Path(f"exported-{name}"))
    after_each = re.sub(r"^( *)(frames.* = .*)$", r"\1\2\n\1read.append(frames)", READING, flags=re.MULTILINE)
    here = {"read": []}
    exec(after_each.replace("03a01Fa", first), here)
    read = here["read"]
    assert len(read) == len(FORMATS) - 1 + len(features.ids)  # WebDataset's shard is read to its end
    assert all((frames == features.frames(first, 12)).all() for frames in read[: len(FORMATS)])
    assert here["about"]["id"] == features.ids[-1]


@pytest.mark.extras
def test_lhotse_reads_the_hdf5_file(project):
    from lhotse.features.io import NumpyHdf5Reader

    features = FeatureSet(project / "artifacts/features/hubert/iemocap")
    export_features(Selection(features), "hdf5", Path("exported"))
    reader = NumpyHdf5Reader("exported/features.h5")
    assert all((reader.read(name) == features.frames(name, 12)).all() for name in features.ids)
