"""What `ser store` shows of the feature store."""

from pathlib import Path

from tqdm import tqdm

from data.errors import UserError, listed
from features.store import FeatureSet, verify_shard

_SHARED = ("kind", "layers", "dimension", "storage", "clips")  # what the recipes of all kinds have


def list_store(folder: Path) -> str:
    """A table of all shards below ``folder``, grouped by feature set."""
    lines = []
    for path in _feature_sets(folder):
        features = FeatureSet(path, verify=False)
        recipe, shards = features.recipe, features.shards
        seconds = recipe["clips"]["seconds"]
        own = {key: value for key, value in recipe.items() if key not in _SHARED}
        lines.append(
            f"{path.name}: {recipe['kind']}, {', '.join(features.checkpoints)}, "
            f"layers {', '.join(map(str, recipe['layers']))}, {recipe['dimension']} dimensions, {recipe['storage']}, "
            f"clips {f'of at most {seconds:g} s' if seconds else 'whole'}, "
            + ", ".join(f"{key} {_shortened(value)}" for key, value in own.items())
        )
        lines += [f"  {sentence}" for sentence in features.cautions.values()]
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
                f"{provenance['compute_dtype']} on {provenance['device']}, "
                + ", ".join(f"{library} {version}" for library, version in provenance["versions"].items())
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


def _shortened(value) -> str:
    """A value of a recipe; of a digest, the first characters."""
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)


def _feature_sets(folder: Path) -> list[Path]:
    sets = sorted({path.parent for path in [*folder.glob("*/*.h5"), *folder.glob("*.h5")]})
    if not sets:
        raise UserError(f"{folder}: no features here. Run `dvc repro`, or `dvc pull extract`.")
    return sets
