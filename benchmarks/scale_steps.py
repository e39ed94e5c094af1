"""The steps of `benchmarks.scale`, each run as ``python -m benchmarks.scale_steps NAME`` in the project's folder."""

import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

from stages.layout import features_folder, manifest_folder

CORPUS, SET, TASK = "big", "hubert", "emotions"
BATCH, BATCHES = 32, 100


def manifest_stage() -> float:
    """`python -m stages.manifest`: reads the table, writes the manifest."""
    return _command(sys.executable, "-P", "-m", "stages.manifest", CORPUS)


def split_stage() -> float:
    """`python -m stages.split`."""
    return _command(sys.executable, "-P", "-m", "stages.split", TASK)


def read_manifest() -> float:
    """The manifest as every stage reads it."""
    from data.manifest_folder import read_manifest_folder

    return _timed(lambda: read_manifest_folder(manifest_folder(CORPUS)))


def dvc_status() -> float:
    """`dvc status` of the whole pipeline."""
    return _command("dvc", "status", says="up to date")


def dvc_repro() -> float:
    """`dvc repro` with nothing to do."""
    return _command("dvc", "repro", says="up to date")


def open_store() -> float:
    """`FeatureSet`, as the workers of train and evaluate open it."""
    from features.store import FeatureSet

    return _timed(lambda: FeatureSet(features_folder(CORPUS, SET), verify=False))


def open_store_verified() -> float:
    """`FeatureSet` with every file compared with its SHA-256; here the files are small."""
    from features.store import FeatureSet

    return _timed(lambda: FeatureSet(features_folder(CORPUS, SET)))


def gather() -> float:
    """Batches of utterances from all over the store, after it has been opened."""
    from features.store import FeatureSet

    features = FeatureSet(features_folder(CORPUS, SET), verify=False)
    keys = list(features.locations)
    batches = [random.Random(number).choices(keys, k=BATCH) for number in range(BATCHES)]
    return _timed(lambda: [features.gather(batch, [12]) for batch in batches])


def usable_splits() -> float:
    """What `train` does before its first fold: splits and features compared, after the store has been opened."""
    from features.store import FeatureSet
    from stages.inputs import read_usable_splits

    features = FeatureSet(features_folder(CORPUS, SET), verify=False)
    return _timed(lambda: read_usable_splits(TASK, features))


def list_store() -> float:
    """`ser store ls`."""
    from app.store_listing import list_store

    return _timed(lambda: list_store(Path("artifacts/features")))


def pieces_in_cache() -> float:
    """What preprocess and extract ask before they start: which pieces DVC's cache holds."""
    from stages.dvc_cache import DvcCache

    cache = DvcCache()
    names = list(json.loads((features_folder(CORPUS, SET) / "pieces.json").read_text()))
    return _timed(lambda: [cache.holds(name) for name in names])


STEPS = {
    step.__name__: step
    for step in (
        *(manifest_stage, split_stage, read_manifest, dvc_status, dvc_repro, open_store, open_store_verified, gather),
        *(usable_splits, list_store, pieces_in_cache),
    )
}


def _timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _command(*command: str, says: str = "") -> float:
    start = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if says not in done.stdout:
        raise SystemExit(f"{' '.join(command)} says: {done.stdout}")
    return seconds


if __name__ == "__main__":
    seconds = STEPS[sys.argv[1]]()
    own, of_children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in (own, of_children))
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    kilobytes = max(int(peak.split()[1]), of_children.ru_maxrss)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "megabytes": kilobytes * 1024 / 1e6}))
