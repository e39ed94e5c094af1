"""Give every reader of this project inputs that are broken at random, for as long as you like.

``python -m tests.attack.fuzz --seconds 3600 --seed 1 [target ...]`` takes turns with the targets (see
`tests.attack.targets`) and prints a line of JSON for each: executions, how many were read and how many refused, what
went wrong otherwise, the slowest attempt and the most memory. Nothing but our own error may come out; no attempt may
take more than 20 s or 2 GB, and no file may appear outside of the target's folder.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.attack.isolation import Isolation, Outcome
from tests.attack.targets import TARGETS, Target

_TURN = 20  # attempts at a target before the next one has its turn


@dataclass
class Tally:
    """What became of the attempts at one target."""

    executions: int = 0
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    failures: dict[str, tuple[int, Path, Outcome]] = field(default_factory=dict)

    def add(self, outcome: Outcome, content: bytes, keep: Path, escaped: bool) -> None:
        """Count an attempt; of failures that look the same the first input is kept."""
        self.executions += 1
        self.slowest = max(self.slowest, outcome.seconds)
        self.read += outcome.kind == "done"
        self.refused += outcome.kind == "refused"
        if outcome.is_safe and not escaped:
            return
        name = "wrote elsewhere" if escaped else _kind_of(outcome)
        count, path, first = self.failures.get(name, (0, keep / f"failure-{len(self.failures)}", outcome))
        if not count:
            keep.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.failures[name] = count + 1, path, first


class Fuzzing:
    """Attempts at one target.

    Args:
        target: what is read, and how its inputs are changed.
        folder: for its files; what appears beside it is an escape.
        keep: where inputs that should not have failed are kept.
        seed: of the changes.
    """

    def __init__(self, target: type[Target], folder: Path, keep: Path, seed: int):
        self.tally, self._keep = Tally(), keep
        self._random = Random(f"{seed} {target.__name__}")
        self._home = folder / "home" / "project"
        self._home.mkdir(parents=True)
        self.target = target(self._home)
        self.isolation = Isolation(self._read, seconds=20)
        self._around = {*folder.iterdir(), *self._home.parent.iterdir()}
        self._folder = folder

    def attempt(self) -> None:
        """Change an input and have it read."""
        content = self.target.changed(self._random)
        outcome = self.isolation.attempt(content)
        strangers = {*self._folder.iterdir(), *self._home.parent.iterdir()} - self._around
        for path in strangers:
            path.unlink()
        absolute = Path("/tmp/escaped")
        escaped = bool(strangers) or absolute.exists()
        absolute.unlink(missing_ok=True)
        self.tally.add(outcome, content, self._keep, escaped)

    def _read(self, content: bytes):
        self.target.read(content)


def fuzz(
    names: list[str], seed: int, folder: Path, keep: Path, seconds: float = math.inf, turns: float = math.inf
) -> dict[str, Fuzzing]:
    """Take turns with targets until the time is over, or each has had some turns."""
    running = {name: Fuzzing(TARGETS[name], folder / name, keep / name, seed) for name in names}
    end = time.monotonic() + seconds
    while time.monotonic() < end and turns > 0:
        turns -= 1
        for fuzzing in running.values():
            for _ in range(_TURN):
                fuzzing.attempt()
                if fuzzing.tally.slowest > 1 or time.monotonic() > end:
                    break
    for fuzzing in running.values():
        fuzzing.isolation.__exit__()
    return running


def describe(name: str, fuzzing: Fuzzing) -> dict:
    """A target's figures."""
    tally = fuzzing.tally
    return {
        "target": name,
        "executions": tally.executions,
        "read": tally.read,
        "refused": tally.refused,
        "failures": {kind: count for kind, (count, _, _) in tally.failures.items()},
        "slowest_seconds": round(tally.slowest, 2),
        "peak_megabytes": round(fuzzing.isolation.peak_megabytes),
    }


def _kind_of(outcome: Outcome) -> str:
    """What makes two failures look the same: the exception and where it came from."""
    what = str(outcome.what)
    first, _, where = what.partition("\n") if "\n" in what else (what, "", "")
    return f"{outcome.kind}: {first.partition(':')[0]} {what.rpartition(chr(10))[2] if where else ''}".strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="where failing inputs go")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all of them, if none is named")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names = options.targets or list(TARGETS)
        done = fuzz(names, options.seed, Path(folder), options.keep, options.seconds)
    for name, fuzzing in done.items():
        print(json.dumps(describe(name, fuzzing)))
        for kind, (_, path, outcome) in fuzzing.tally.failures.items():
            print(f"  {kind}\n    {path}: {str(outcome.what)[:300]}")
    sys.exit(any(fuzzing.tally.failures for fuzzing in done.values()))


if __name__ == "__main__":
    main()
