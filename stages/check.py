"""params.yaml -> a constant, and the order of what it names; fails on bad parameters.

The constant is what all stages depend on. The order is what the report alone depends on: DVC compares dictionaries
without order, and no stage would notice another one.
"""

import json

from data.manifest import check_corpus_folders
from stages.running import ARTIFACTS, run_stage
from stages.schema import SCRATCH, read_params


def main() -> None:
    params = read_params()
    check_corpus_folders(params.corpora)
    (ARTIFACTS / "checked").write_text("params.yaml is valid\n")
    starts = ARTIFACTS / "starts"
    starts.mkdir(exist_ok=True)
    (starts / SCRATCH).write_text("no weights: the head starts from its own random ones\n")
    order = {
        "tasks": {name: list(task.classes) or task.targets for name, task in params.tasks.items()},
        "heads": {name: head.task for name, head in params.heads.items()},
    }
    (ARTIFACTS / "order.json").write_text(json.dumps(order) + "\n")


if __name__ == "__main__":
    run_stage(main)
