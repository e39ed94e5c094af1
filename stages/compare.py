"""artifacts/evaluation -> artifacts/report/: exactly the heads that params.yaml names, side by side."""

from evaluation.report import read_evaluations, write_report
from stages.params import read_yaml
from stages.running import ARTIFACTS, run_stage


def main() -> None:
    evaluations = read_evaluations(ARTIFACTS / "evaluation", list(read_yaml()["heads"]))
    page = write_report(evaluations, ARTIFACTS / "report")
    for warning in dict.fromkeys(warning for each in evaluations for warning in each["warnings"]):
        print(f"warning: {warning}")
    print(f"report: {page}")


if __name__ == "__main__":
    run_stage(main)
