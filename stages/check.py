"""params.yaml -> a constant, and the order of what it names; fails on bad parameters.

The constant is what all stages depend on. The order is what the report alone depends on: DVC compares dictionaries
without order, and no stage would notice another one.
"""

import json

from stages.running import ARTIFACTS, run_stage
from stages.schema import read_params


def main() -> None:
    params = read_params()
    (ARTIFACTS / "checked").write_text("params.yaml is valid\n")
    order = {"classes": list(params.task.classes), "heads": list(params.heads)}
    (ARTIFACTS / "order.json").write_text(json.dumps(order) + "\n")


if __name__ == "__main__":
    run_stage(main)
