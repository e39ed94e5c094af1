"""params.yaml -> a constant: fails on bad parameters, and changes nothing after it."""

from stages.running import ARTIFACTS, run_stage
from stages.schema import read_params


def main() -> None:
    read_params()
    (ARTIFACTS / "checked").write_text("params.yaml is valid\n")


if __name__ == "__main__":
    run_stage(main)
