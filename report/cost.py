"""What extraction and training cost where they ran: measurements that the stages leave untracked.

A measurement counts only if it is of what is shown: its fingerprint is among those of the evaluated features or head.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

from evaluation.results import Details


def costs(heads: Sequence[Details], measured: Path) -> dict[str, list[dict]]:
    """`feature_costs` and `head_costs` of the heads that were trained here."""
    trained = [head for head in heads if head.training]
    return {"features": feature_costs(trained, measured), "heads": head_costs(trained, measured)}


def feature_costs(heads: Sequence[Details], measured: Path) -> list[dict]:
    """A row per feature set and corpus.

    Args:
        heads: those that were trained.
        measured: ``artifacts/measured``.

    Returns:
        ``features`` (``<set>/<corpus>``), ``clips`` (measured) and ``of`` (all of them); where any were measured also
        ``device``, ``ms_per_clip``, ``peak_megabytes`` and ``peak_gpu_megabytes`` (None without a GPU).
    """
    rows = []
    for name, training in {head.features: head.training for head in heads}.items():
        shards = _measurements(measured / "features", training.fingerprints.features)
        clips = sum(shard["clips"] for shard in shards)
        row = {"features": name, "clips": clips, "of": training.features.clips}
        if clips:
            seconds = sum(shard["seconds"] for shard in shards)
            row |= {"ms_per_clip": 1000 * seconds / clips, **_machine(shards)}
        rows.append(row)
    return rows


def head_costs(heads: Sequence[Details], measured: Path) -> list[dict]:
    """A row per head.

    Args:
        heads: those that were trained.
        measured: ``artifacts/measured``.

    Returns:
        ``head``, ``runs`` (measured) and ``of`` (all folds and seeds); where any were measured also ``device``,
        ``train_ms`` (per utterance and epoch), ``seconds_per_epoch`` (median), ``train_seconds`` (all runs together),
        ``predict_ms`` (per utterance), ``peak_megabytes`` and ``peak_gpu_megabytes`` (None without a GPU).
    """
    rows = []
    for head in heads:
        expected = head.training.fingerprints.head
        runs = _measurements(measured / "heads", expected)
        row = {"head": head.head, "runs": len(runs), "of": len(expected)}
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
    gpu = [piece["peak_gpu_megabytes"] for piece in measurements if piece["peak_gpu_megabytes"] is not None]
    return {
        "device": ", ".join(sorted({piece["device"] for piece in measurements})),
        "peak_megabytes": max(piece["peak_megabytes"] for piece in measurements),
        "peak_gpu_megabytes": max(gpu, default=None),
    }


def _measurements(folder: Path, fingerprints: Sequence[str]) -> list[dict]:
    """The measurements below a folder that are of these pieces, one of each."""
    found = {}
    for path in sorted(folder.rglob("*.json")):
        with suppress(ValueError):  # a stage was killed while it wrote: not measured
            content = json.loads(path.read_text())
            found[content["fingerprint"]] = content
    return [found[fingerprint] for fingerprint in fingerprints if fingerprint in found]
