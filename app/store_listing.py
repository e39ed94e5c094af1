"""What `ser store` shows of the feature store."""

from pathlib import Path

from tqdm import tqdm

from data.errors import UserError, listed
from features.settings import is_untrained
from features.store import FeatureSet, verify_shard


def list_store(folder: Path) -> str:
    """A table of all shards below ``folder``, grouped by feature set."""
    lines = []
    for path in _feature_sets(folder):
        features = FeatureSet(path, verify=False)
        recipe, shards = features.recipe, features.shards
        seconds = recipe["clips"]["seconds"]
        untrained = " (random weights)" if any(map(is_untrained, features.checkpoints)) else ""
        how = f"padded {recipe['pad']}" if "pad" in recipe else f"context {recipe['context']}"
        lines.append(
            f"{path.name}: {', '.join(features.checkpoints)}{untrained}, weights {recipe['weights'][:12]}, "
            f"layers {', '.join(map(str, recipe['layers']))}, {recipe['dimension']} dimensions, {recipe['storage']}, "
            f"clips {f'of at most {seconds:g} s' if seconds else 'whole'}, {how}"
        )
        if mixture := features.mixed_types():
            lines.append(f"  {mixture}")
        if noise := features.noise_sentence():
            lines.append(f"  {noise}")
        lines.append(f"  {'shard':<16}{'clips':>8}{'frames':>12}{'MB':>10}  fingerprint   computed")
        for shard in shards:
            provenance = features.provenance[shard.path.stem]
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
            f"of {len(paths)} shards some are damaged; `ser store repair` removes them:\n{listed(problems, most=50)}"
        )
    print(f"{len(paths)} shards are intact")


def _feature_sets(folder: Path) -> list[Path]:
    sets = sorted({path.parent for path in [*folder.glob("*/*.h5"), *folder.glob("*.h5")]})
    if not sets:
        raise UserError(f"{folder}: no features here. Run `dvc repro`, or `dvc pull extract`.")
    return sets
