"""artifacts/evaluation -> artifacts/report/: exactly the heads that params.yaml names, side by side."""

import shutil

from evaluation.settings import EvaluateSettings
from report.page import read_evaluations, write_report
from stages.params import read_section, read_yaml
from stages.running import ARTIFACTS, run_stage


def main() -> None:
    heads = list(read_yaml()["heads"])
    for folder in (ARTIFACTS / "evaluation").iterdir():
        if folder.name not in heads:  # a removed head's, which DVC's cache keeps; here it would count as a change
            shutil.rmtree(folder)
    evaluations = read_evaluations(ARTIFACTS / "evaluation", heads)
    page = write_report(evaluations, read_section("evaluate", EvaluateSettings), ARTIFACTS / "report")
    for warning in dict.fromkeys(warning for each in evaluations for warning in each["warnings"]):
        print(f"warning: {warning}")
    print(f"report: {page}")


if __name__ == "__main__":
    run_stage(main)
