"""artifacts/manifest.csv -> artifacts/splits.csv."""

from data.labels import TaskSettings, label_utterances
from data.manifest import read_manifest
from data.roles import fold_columns, write_splits
from data.split_cautions import split_cautions
from data.splits import SplitSettings, make_splits
from stages.params import read_section
from stages.running import ARTIFACTS, run_stage


def main() -> None:
    task = read_section("task", TaskSettings)
    manifest = read_manifest(ARTIFACTS / "manifest.csv")
    labelled = label_utterances(manifest, task)
    splits = make_splits(labelled, read_section("split", SplitSettings), manifest)
    write_splits(splits, ARTIFACTS / "splits.csv")
    counts = ", ".join(f"{name} {count}" for name, count in splits["label"].value_counts(sort=False).items())
    print(f"split: {len(splits):,} utterances ({counts}) in {len(fold_columns(splits))} folds")
    for caution in split_cautions(labelled.join(splits[fold_columns(splits)]), list(task.classes)):
        print(f"warning: {caution}")


if __name__ == "__main__":
    run_stage(main)
