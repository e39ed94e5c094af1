"""What extraction and training cost where they ran: measurements that the stages leave untracked.

A measurement counts only if it is of what is shown: its fingerprint is among those of the evaluated features or head.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median


def costs(evaluations: Sequence[dict], measured: Path) -> dict[str, list[dict]]:
    """`feature_costs` and `head_costs` of the heads that were trained here."""
    trained = [each for each in evaluations if "features" in each["run"]]
    return {"features": feature_costs(trained, measured), "heads": head_costs(trained, measured)}


def feature_costs(evaluations: Sequence[dict], measured: Path) -> list[dict]:
    """A row per feature set.

    Args:
        evaluations: details.json of each head, with ``run`` and ``fingerprints``.
        measured: ``artifacts/measured``.

    Returns:
        ``set``, ``clips`` (measured) and ``of`` (all of the set); where any were measured also ``device``,
        ``ms_per_clip``, ``peak_megabytes`` and ``peak_gpu_megabytes`` (None without a GPU).
    """
    rows = []
    for name, each in {each["run"]["features"]["set"]: each for each in evaluations}.items():
        shards = _measurements(measured / "features", each["fingerprints"]["features"])
        clips = sum(shard["clips"] for shard in shards)
        row = {"set": name, "clips": clips, "of": each["run"]["clips"]}
        if clips:
            seconds = sum(shard["seconds"] for shard in shards)
            row |= {"ms_per_clip": 1000 * seconds / clips, **_machine(shards)}
        rows.append(row)
    return rows


def head_costs(evaluations: Sequence[dict], measured: Path) -> list[dict]:
    """A row per head.

    Args:
        evaluations: details.json of each head, with ``fingerprints``.
        measured: ``artifacts/measured``.

    Returns:
        ``head``, ``runs`` (measured) and ``of`` (all folds and seeds); where any were measured also ``device``,
        ``train_ms`` (per utterance and epoch), ``seconds_per_epoch`` (median), ``train_seconds`` (all runs together),
        ``predict_ms`` (per utterance), ``peak_megabytes`` and ``peak_gpu_megabytes`` (None without a GPU).
    """
    rows = []
    for each in evaluations:
        expected = each["fingerprints"]["head"]
        runs = _measurements(measured / "heads", expected)
        row = {"head": each["head"], "runs": len(runs), "of": len(expected)}
        if runs:
            epochs = [seconds for run in runs for seconds in run["seconds_per_epoch"]]
            trained = sum(run["utterances"] * len(run["seconds_per_epoch"]) for run in runs)
            predicted = sum(run["predicted"] for run in runs)
            row |= {
                "train_ms": 1000 * sum(epochs) / max(trained, 1),
                "seconds_per_epoch": median(epochs or [0.0]),
                "train_seconds": sum(epochs),
                "predict_ms": 1000 * sum(run["predict_seconds"] for run in runs) / max(predicted, 1),
                **_machine(runs),
            }
        rows.append(row)
    return rows


def _machine(measurements: Sequence[dict]) -> dict:
    gpu = [each["peak_gpu_megabytes"] for each in measurements if each["peak_gpu_megabytes"] is not None]
    return {
        "device": ", ".join(sorted({each["device"] for each in measurements})),
        "peak_megabytes": max(each["peak_megabytes"] for each in measurements),
        "peak_gpu_megabytes": max(gpu, default=None),
    }


def _measurements(folder: Path, fingerprints: Sequence[str]) -> list[dict]:
    """The measurements below a folder that are of these pieces, one of each."""
    found = {}
    for path in sorted(folder.rglob("*.json")):
        with suppress(ValueError):  # a stage was killed while it wrote: not measured
            content = json.loads(path.read_text())
            found[content["fingerprint"]] = content
    return [found[each] for each in fingerprints if each in found]
