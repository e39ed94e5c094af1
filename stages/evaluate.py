"""artifacts/heads/<head>, its features and its task's splits -> artifacts/evaluation/<head>/."""

import json
import sys

from data.cautions import Kind
from data.errors import UserError
from data.roles import read_splits
from data.task_description import read_task_description
from evaluation.head import evaluate_head
from evaluation.results import Fingerprints
from evaluation.runs import read_runs
from features.current import check_checkpoint
from features.store import FeatureSet
from stages.dvc_cache import LIST
from stages.layout import ARTIFACTS, evaluation_folder, features_folder, head_folder, splits_file, task_file
from stages.running import run_stage
from stages.schema import read_params


def main(name: str) -> None:
    params = read_params()
    head = params.head(name)
    runs = read_runs(head_folder(name))
    features = FeatureSet(features_folder(head.corpus, head.feature_set), verify=False)
    check_checkpoint(params.features[head.feature_set], features, ARTIFACTS / ".encoders")
    if runs.config["features"]["digest"] != features.digest:
        raise UserError(f"{runs.folder}: trained on other features than {features.folder}. Run dvc repro train@{name}")
    evaluation = evaluate_head(
        name,
        runs,
        task=read_task_description(task_file(head.task)),
        splits=read_splits(splits_file(head.task)),
        features_name=str(features.name),
        features=features,
        fingerprints=Fingerprints(
            features=features.fingerprints, head=list(json.loads((runs.folder / LIST).read_text()))
        ),
        settings=params.evaluate,
    )
    evaluation.write(evaluation_folder(name))
    details = evaluation.details
    for caution in details.cautions:
        if caution.kind == Kind.MIXED_COMPUTE_TYPES:  # others are printed with the report
            print(f"warning: {caution}")
    ua = details.metrics["ua"]
    print(f"evaluate {name}: UA {ua.mean:.1%} [{ua.low:.1%}, {ua.high:.1%}], chance {details.chance_ua:.1%}")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
