"""artifacts/heads/<head>, its features and its task's splits -> artifacts/evaluation/<head>/."""

import json
import sys
from pathlib import Path

from data.cautions import Kind
from data.errors import UserError
from data.roles import read_splits
from data.task_description import read_task_description
from evaluation.head import evaluate_head
from evaluation.results import Fingerprints
from evaluation.runs import read_runs
from evaluation.settings import EvaluateSettings
from features.store import FeatureSet
from stages.dvc_cache import LIST
from stages.layout import ARTIFACTS, evaluation_folder, features_folder, head_folder, splits_file, task_file
from stages.params import read_section
from stages.running import run_stage


def main(name: str) -> None:
    head = read_section(f"heads.{name}", dict)  # `check` has read it with all the others
    task, (feature_set, corpus) = head["task"], head["features"].split("/")
    runs = read_runs(head_folder(name))
    features = FeatureSet(features_folder(corpus, feature_set), verify=False)
    _check_checkpoint(feature_set, features)
    if runs.config["features"]["digest"] != features.digest:
        raise UserError(f"{runs.folder}: trained on other features than {features.folder}. Run dvc repro train@{name}")
    evaluation = evaluate_head(
        name,
        runs,
        task=read_task_description(task_file(task)),
        splits=read_splits(splits_file(task)),
        features_name=str(features.name),
        features=features,
        fingerprints=Fingerprints(
            features=features.fingerprints, head=list(json.loads((runs.folder / LIST).read_text()))
        ),
        settings=read_section("evaluate", EvaluateSettings),
    )
    evaluation.write(evaluation_folder(name))
    details = evaluation.details
    for caution in details.cautions:
        if caution.kind == Kind.MIXED_COMPUTE_TYPES:  # others are printed with the report
            print(f"warning: {caution}")
    print(f"evaluate {name}: {details.summary()}")


def _check_checkpoint(feature_set: str, features: FeatureSet) -> None:
    """See `features.current`; without a local checkpoint there is nothing to compare, and no need of torch."""
    if not Path(str(read_section(f"features.{feature_set}", dict).get("checkpoint"))).is_dir():
        return
    from features.current import check_checkpoint
    from features.kinds import FeatureSettings

    settings = read_section(f"features.{feature_set}", FeatureSettings)
    check_checkpoint(settings, features, ARTIFACTS / ".encoders")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
