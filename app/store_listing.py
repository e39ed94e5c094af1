"""What `ser store` shows of the feature store."""

import json
from pathlib import Path

from tqdm import tqdm

from data.errors import UserError, listed
from data.shards import Shard
from features.settings import is_untrained
from features.store import KIND, verify_shard


def list_store(folder: Path) -> str:
    """A table of all shards below ``folder``, grouped by feature set."""
    lines = []
    for feature_set in _feature_sets(folder):
        shards = [Shard(path, KIND, verify=False) for path in sorted(feature_set.glob("*.h5"))]
        recipe = json.loads(shards[0].attributes["recipe"])
        seconds = recipe["clips"]["seconds"]
        untrained = " (random weights)" if is_untrained(recipe["checkpoint"]) else ""
        lines.append(
            f"{feature_set.name}: {recipe['checkpoint']}{untrained}, weights {recipe['weights'][:12]}, "
            f"layers {', '.join(map(str, recipe['layers']))}, {recipe['dimension']} dimensions, {recipe['storage']}, "
            f"clips {f'of at most {seconds:g} s' if seconds else 'whole'}, padded {recipe['pad']}"
        )
        lines.append(f"  {'shard':<16}{'clips':>8}{'frames':>12}{'MB':>10}  fingerprint   computed")
        for shard in shards:
            provenance = json.loads(shard.attributes["provenance"])
            lines.append(
                f"  {shard.path.stem:<16}{len(shard.ids):>8,}{shard.offsets[-1]:>12,}"
                f"{shard.path.stat().st_size / 1e6:>10,.1f}  {shard.attributes['fingerprint'][:12]}  "
                f"{provenance['compute_dtype']} on {provenance['device']}, torch {provenance['torch']}"
            )
        clips, size = sum(len(shard.ids) for shard in shards), sum(shard.path.stat().st_size for shard in shards)
        lines.append(f"  {'all':<16}{clips:>8,}{sum(shard.offsets[-1] for shard in shards):>12,}{size / 1e6:>10,.1f}")
    return "\n".join(lines)


def verify_store(folder: Path) -> None:
    """Verify all shards below ``folder`` and say so.

    Raises:
        UserError: listing everything that is wrong.
    """
    paths = [path for feature_set in _feature_sets(folder) for path in sorted(feature_set.glob("*.h5"))]
    problems = [problem for path in tqdm(paths, desc="verify", unit="shard") for problem in verify_shard(path)]
    if problems:
        raise UserError(
            f"of {len(paths)} shards some are damaged (mend them with `ser store repair`):\n{listed(problems, most=50)}"
        )
    print(f"{len(paths)} shards are sound")


def _feature_sets(folder: Path) -> list[Path]:
    sets = sorted({path.parent for path in [*folder.glob("*/*.h5"), *folder.glob("*.h5")]})
    if not sets:
        raise UserError(f"{folder}: no features here. Run `dvc repro`, or `dvc pull extract`.")
    return sets
