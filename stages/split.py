"""artifacts/manifests/<corpus> -> artifacts/splits/<task>.csv and .json."""

import sys

from data.corpora import known_emotions
from data.labels import TaskSettings, check_codes_read, label_utterances
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
    TaskDescription(task=name, corpora=corpora, **task.model_dump()).write(task_file(name))
    counts = ", ".join(f"{label} {count}" for label, count in splits["label"].value_counts(sort=False).items())
    print(f"split {name}: {len(splits):,} utterances ({counts}) in {len(fold_columns(splits))} folds")
    for caution in split_cautions(splits, list(task.classes)):
        print(f"warning: {caution}")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
