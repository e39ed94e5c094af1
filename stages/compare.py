"""artifacts/evaluation -> artifacts/report/: exactly the heads that params.yaml names, side by side."""

import json
import shutil

from evaluation.settings import EvaluateSettings
from report.cost import costs
from report.evaluations import read_evaluations
from report.examples import attention_of_examples, read_waveforms
from report.page import write_report
from report.settings import ReportSettings
from stages.params import read_section, read_yaml
from stages.running import ARTIFACTS, run_stage


def main() -> None:
    order = json.loads((ARTIFACTS / "order.json").read_text())
    settings = read_section("report", ReportSettings)
    for folder in (ARTIFACTS / "evaluation").iterdir():
        if folder.is_dir() and folder.name not in order["heads"]:  # DVC's cache keeps it; here it would be a change
            shutil.rmtree(folder)
    evaluations = read_evaluations(ARTIFACTS / "evaluation", order["heads"], order["classes"])
    for each in evaluations:
        each["attention"] = attention_of_examples(
            each["predictions"], each["attention"], each["run"]["frame_rate"], settings.examples
        )
        each["waveforms"] = _waveforms(each) if settings.waveforms else None
    page = write_report(
        evaluations,
        costs(evaluations, ARTIFACTS / "measured"),
        settings,
        read_section("evaluate", EvaluateSettings),
        ARTIFACTS / "report",
    )
    for warning in dict.fromkeys(warning for each in evaluations for warning in each["warnings"]):
        print(f"warning: {warning}")
    print(f"report: {page}")


def _waveforms(evaluation: dict) -> dict | None:
    """Of a head's examples; None of a head that does not attend."""
    identifiers = list(evaluation["attention"]["id"].unique())
    recipe = read_yaml()["features"][evaluation["run"]["features"]["set"]]["clips"]
    return read_waveforms(ARTIFACTS / "clips" / recipe, identifiers) if identifiers else None


if __name__ == "__main__":
    run_stage(main)
