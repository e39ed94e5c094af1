"""artifacts/evaluation -> artifacts/report/: exactly the heads that params.yaml names, side by side, task by task."""

import json
import shutil
from pathlib import Path

from evaluation.evaluation import Evaluation
from evaluation.results import RegressionDetails
from evaluation.settings import EvaluateSettings
from report.evaluations import read_evaluations
from report.examples import Examples, attention_of_examples, check_examples, read_waveforms
from report.page import write_report
from report.settings import ReportSettings
from stages.layout import ARTIFACTS, clips_folder
from stages.params import read_section
from stages.running import run_stage


def main() -> None:
    order = json.loads((ARTIFACTS / "order.json").read_text())
    settings = read_section("report", ReportSettings)
    for folder in (ARTIFACTS / "evaluation").iterdir():
        if folder.is_dir() and folder.name not in order["heads"]:  # DVC's cache keeps it; here it would be a change
            shutil.rmtree(folder)
    evaluations = read_evaluations(ARTIFACTS / "evaluation", list(order["heads"]), order["tasks"])
    check_examples(evaluations, settings.examples)
    page = write_report(
        evaluations,
        examples={evaluation.details.head: _examples(evaluation, settings) for evaluation in evaluations},
        settings=settings,
        statistics=read_section("evaluate", EvaluateSettings),
        measured=ARTIFACTS / "measured",
        folder=ARTIFACTS / "report",
    )
    for caution in dict.fromkeys(caution for evaluation in evaluations for caution in evaluation.details.cautions):
        print(f"warning: {caution}")
    print(f"report: {page}")


def _examples(evaluation: Evaluation, settings: ReportSettings) -> Examples:
    if isinstance(evaluation.details, RegressionDetails):
        return Examples()  # none is correct or wrong
    attention = attention_of_examples(evaluation, settings.examples)
    waveforms = read_waveforms(attention, _clips_folders(evaluation)) if settings.waveforms else {}
    return Examples(attention, waveforms)


def _clips_folders(evaluation: Evaluation) -> dict[str, Path]:
    """Corpus -> the folder of its clips."""
    feature_set = evaluation.details.training.features.set
    return {corpus: clips_folder(corpus, feature_set) for corpus in evaluation.details.corpora}


if __name__ == "__main__":
    run_stage(main)
