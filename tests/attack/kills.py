"""Kill DVC, its stages and their workers at random moments, go on, and compare the bytes.

``python -m tests.attack.kills --kills 100 --seed 1`` runs a tiny project once undisturbed. Then, again and again, it
takes away what a phase has made (preprocess, extract, train, evaluate, push or pull), begins the phase, sends SIGKILL
at a random moment to DVC, to the stage, to a worker or to all of them, a few times in a row, lets the same command come
to its end, and compares every file with the undisturbed run's. It prints a line of JSON for each trial.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from ruamel.yaml import YAML

from data.synthesis import write_demo_corpus
from tests.builders import Project, tiny_params

PHASES = ("preprocess", "extract", "train", "evaluate", "push", "pull")
_OUTPUTS = {
    "preprocess": "artifacts/clips",
    "extract": "artifacts/features",
    "train": "artifacts/heads",
    "evaluate": "artifacts/evaluation",
}
_COMPARED = ("artifacts/manifests", "artifacts/splits", *_OUTPUTS.values())
_LONGEST = {"push": 2.0, "pull": 2.0}  # seconds from the start, or from the start of the stage, to the kill
_IN_A_ROW = 4


@dataclass
class Trial:
    """Some kills in a row, and what came of them.

    Attributes:
        phase: what was killed.
        victims: what was killed each time; ``finished`` where it had come to its end before.
        orphans: processes that outlived a killed DVC by 15 s.
        differing: files that are not those of the undisturbed run.
    """

    phase: str
    victims: list[str] = field(default_factory=list)
    orphans: int = 0
    differing: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(victim != "finished" for victim in self.victims)

    @property
    def is_right(self) -> bool:
        return not self.differing and not self.orphans


def undisturbed(folder: Path) -> Project:
    """A project in which everything has run once, and is pushed: MFCCs with a convex head, a tiny HuBERT with a GRU."""
    params = tiny_params("demo")
    params["corpora"]["demo"]["exclude"] = {}
    params["heads"] = {name: params["heads"][name] for name in ("mfcc_linear", "gru")}
    params["runtime"]["workers"] = 2
    project = Project.create(folder / "undisturbed", params)
    write_demo_corpus(project.folder / "corpora/demo", utterances=20, seed=3)
    project.run("dvc", "remote", "add", "--default", "team", "../remote")
    project.repro()
    project.commit()
    return project


def trial(base: Project, folder: Path, phase: str, random: Random) -> Trial:
    """Kill a phase a few times, let it finish, and compare."""
    shutil.rmtree(folder, ignore_errors=True)
    project = base.copy(folder / "project")
    command, where = _prepare(project, phase), _COMPARED
    result = Trial(phase)
    for _ in range(random.randint(2, _IN_A_ROW)):
        result.victims.append(_kill(project, command, phase, random, result))
        if phase not in _OUTPUTS:
            _forget_list(project)
        if result.victims[-1] == "finished":
            break
    project.run(*command)
    if phase == "push":  # what arrived is what a clone gets
        project = Project(folder / "clone")
        base.git("clone", "--quiet", str(folder / "project"), str(project.folder))
        project.run("dvc", "pull", "--allow-missing")
    result.differing = [name for part in where for name in _differences(base, project, part)]
    return result


def _prepare(project: Project, phase: str) -> list[str]:
    """Take away what a phase has made; the command that makes it again."""
    shutil.rmtree(project.folder / "artifacts/.pieces", ignore_errors=True)
    if phase in _OUTPUTS:
        _forget(project, list(_OUTPUTS)[list(_OUTPUTS).index(phase) :])
        return ["dvc", "repro", "--no-run-cache"]
    if phase == "pull":
        project.run("dvc", "push")
        shutil.rmtree(project.folder / ".dvc/cache")
        for part in _COMPARED:
            shutil.rmtree(project.folder / part)
    return ["dvc", phase]


def _forget(project: Project, phases: list[str]) -> None:
    """Make it as if some phases had never run: no outputs, no entries in dvc.lock, nothing in DVC's cache."""
    for phase in phases:
        shutil.rmtree(project.folder / _OUTPUTS[phase])
    path, yaml = project.folder / "dvc.lock", YAML()
    lock = yaml.load(path)
    for name in [name for name in lock["stages"] if name.partition("@")[0] in (*phases, "compare")]:
        for output in lock["stages"].pop(name)["outs"]:
            _uncache(project.folder / ".dvc/cache/files/md5", output.get("md5", ""))
    yaml.dump(lock, path)


def _uncache(cache: Path, digest: str) -> None:
    """Remove an output from DVC's cache, with all files of a folder."""
    path = cache / digest[:2] / digest[2:]
    if not digest or not path.exists():
        return
    if digest.endswith(".dir"):
        for entry in json.loads(path.read_text()):
            (cache / entry["md5"][:2] / entry["md5"][2:]).unlink(missing_ok=True)
    path.unlink()


def _forget_list(project: Project) -> None:
    """Remove DVC's list of what to transfer, as docs/sharing.md says: DVC 3.67 takes half a list for the whole."""
    where = "from dvc.repo import Repo; print(Repo().site_cache_dir)"
    folder = Path(project.run("python", "-c", where).strip().splitlines()[-1])
    shutil.rmtree(folder / "index", ignore_errors=True)


def _kill(project: Project, command: list[str], phase: str, random: Random, result: Trial) -> str:
    """Run a command and kill some of its processes at a random moment; what was killed."""
    process = project.start(*command)
    if phase in _OUTPUTS:
        _wait(lambda: process.poll() is not None or _stages(process.pid, phase), 120)
    _wait(lambda: process.poll() is not None, random.uniform(0, _LONGEST.get(phase, 6.0)))
    if process.poll() is not None:
        return "finished"
    family = list(_descendants(process.pid))
    stages = _stages(process.pid, phase)
    workers = [pid for stage in stages for pid in _descendants(stage)]
    choices = {"dvc": [process.pid], "all": [process.pid, *family]}
    choices |= {"stage": stages} if stages else {}
    choices |= {"worker": [random.choice(workers)]} if workers else {}
    victim = random.choice(sorted(choices))
    for pid in choices[victim]:
        _signal(pid)
    if victim == "worker":  # which the stage is expected to survive
        _wait(lambda: process.poll() is not None, random.uniform(0, 2))
        _signal(process.pid)
    elif victim == "stage":
        _wait(lambda: process.poll() is not None, 30)
        _signal(process.pid)
    process.wait()
    if not _wait(lambda: not any(map(_is_running, family)), 15):
        result.orphans += sum(map(_is_running, family))
        for pid in family:
            _signal(pid)
    return victim


def _stages(root: int, phase: str) -> list[int]:
    """The processes of a stage below DVC."""
    return [pid for pid in _descendants(root) if f"stages.{phase}" in _command(pid)][:1]


def _descendants(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    waiting = [root]
    while waiting:
        for child in children.get(waiting.pop(), []):
            yield child
            waiting.append(child)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _signal(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _wait(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (happened := bool(condition())) and time.monotonic() < end:
        time.sleep(0.02)
    return happened


def _differences(expected: Project, found: Project, part: str) -> list[str]:
    """The files below a folder that are not the same in two projects."""
    ours, theirs = expected.bytes_below(part), found.bytes_below(part)
    return sorted(f"{part}/{name}" for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))


def attack(kills: int, seed: int, folder: Path, phases: tuple[str, ...] = PHASES) -> Iterator[Trial]:
    """Trials until there were as many kills."""
    base, random, done = undisturbed(folder), Random(seed), 0
    for number in range(10 * kills):
        result = trial(base, folder / "trial", phases[number % len(phases)], random)
        yield result
        shutil.rmtree(folder / "remote", ignore_errors=True)
        done += result.kills
        if done >= kills:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for result in attack(options.kills, options.seed, Path(folder)):
            results.append(result)
            print(json.dumps(asdict(result)), flush=True)
    wrong = [result for result in results if not result.is_right]
    print(json.dumps({"trials": len(results), "kills": sum(result.kills for result in results), "wrong": len(wrong)}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
