"""artifacts/manifests/<corpus> -> artifacts/splits/<task>.csv and .json."""

import sys

import pandas as pd

from data.corpora import known_emotions
from data.label_cautions import label_cautions
from data.labels import TaskSettings, candidates, check_codes_read, label_utterances
from data.manifest_folder import FOLDS, read_manifest_folder
from data.roles import fold_columns, write_splits
from data.split_cautions import split_cautions
from data.splits import make_splits
from data.task_description import TaskDescription
from stages.layout import manifest_folder, splits_file, task_file
from stages.params import read_section
from stages.running import run_stage


def main(name: str) -> None:
    task = read_section(f"tasks.{name}", TaskSettings)
    manifest, corpora = read_manifest_folder(manifest_folder(task.corpus))
    unread = [corpus for corpus, description in corpora.items() if known_emotions(description.reader) is None]
    check_codes_read(name, task, manifest[manifest["corpus"].isin(unread)])
    labelled = label_utterances(manifest, task, name)
    splits = make_splits(labelled, task.split, manifest, manifest_folder(task.corpus) / FOLDS)
    splits_file(name).parent.mkdir(parents=True, exist_ok=True)
    write_splits(splits, splits_file(name))
    num_unlabelled = len(candidates(manifest, task, name)) - len(labelled)
    description = TaskDescription(task=name, corpora=corpora, num_unlabelled=num_unlabelled, **task.model_dump())
    description.write(task_file(name))
    print(f"split {name}: {len(splits):,} utterances ({_counts(splits, task)}) in {len(fold_columns(splits))} folds")
    for caution in [*label_cautions(description, splits), *split_cautions(splits, list(task.classes))]:
        print(f"warning: {caution}")


def _counts(splits: pd.DataFrame, task: TaskSettings) -> str:
    """The utterances of each class, or the range of each rating."""
    if task.targets:
        return ", ".join(f"{name} {splits[name].min():g} to {splits[name].max():g}" for name in task.targets)
    return ", ".join(f"{label} {count}" for label, count in splits["label"].value_counts(sort=False).items())


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
