"""Where everything is that the pipeline writes."""

from pathlib import Path

ARTIFACTS = Path("artifacts")
INDEX = Path("index")  # small files that go to git


def manifest_folder(corpus: str) -> Path:
    """The manifest of a corpus, or of joined corpora."""
    return ARTIFACTS / "manifests" / corpus


def manifest_index(corpus: str) -> Path:
    """What a corpus's manifest holds, for those who do not have it."""
    return INDEX / "manifests" / f"{corpus}.json"


def clips_folder(corpus: str, feature_set: str) -> Path:
    """A corpus's clips for a feature set."""
    return ARTIFACTS / "clips" / corpus / feature_set


def features_folder(corpus: str, feature_set: str) -> Path:
    """A feature set of a corpus, or of joined corpora."""
    return ARTIFACTS / "features" / feature_set / corpus


def features_index(corpus: str, feature_set: str) -> Path:
    """What a feature set of a corpus holds, for those who do not have it."""
    return INDEX / "features" / feature_set / f"{corpus}.json"


def splits_file(task: str) -> Path:
    """The splits of a task."""
    return ARTIFACTS / "splits" / f"{task}.csv"


def task_file(task: str) -> Path:
    """The description of a task, beside its splits."""
    return ARTIFACTS / "splits" / f"{task}.json"


def head_folder(head: str) -> Path:
    """A head's runs."""
    return ARTIFACTS / "heads" / head


def evaluation_folder(head: str) -> Path:
    """A head's evaluation."""
    return ARTIFACTS / "evaluation" / head
