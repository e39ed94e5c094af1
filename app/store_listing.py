"""`ser store ls` and `ser store verify`: what is in the feature store, and whether it is intact."""

from pathlib import Path

from tqdm import tqdm

from app.table import table_lines
from data.errors import UserError, listed, nearest
from data.not_wanted import why_not_wanted
from features.store import JOINED, FeatureSet, verify_shard

_SHARED = ("kind", "layers", "dimension", "storage", "clips")  # what the recipes of all kinds have
_COLUMNS = ("set", "corpus", "utterances", "shards", "layers", "dimension", "storage", "MB", "made with")
_NUMBERS = ("utterances", "shards", "dimension", "MB")


def list_store(root: Path) -> str:
    """A table of what is in the store, a line for each feature set of a corpus, and what to know of them.

    Args:
        root: the store, with ``<set>/<corpus>/<shard>.h5``.

    Raises:
        UserError: there is nothing.
    """
    rows, remarks = [], []
    for folder in _folders(root):
        rows.append(_row(folder))
        if any(folder.glob("*.h5")):
            remarks += [f"{_name(folder)}: {remark}" for remark in _remarks(FeatureSet(folder, verify=False))]
    return "\n".join([*table_lines(_COLUMNS, rows, _NUMBERS), *remarks])


def store_contents(root: Path) -> list[dict]:
    """The same for a program: a dictionary for each feature set of a corpus.

    Raises:
        UserError: there is nothing.
    """
    return [_contents(folder) for folder in _folders(root)]


def describe_features(root: Path, name: str) -> str:
    """What made a feature set of a corpus, and its shards.

    Args:
        root: the store.
        name: ``<set>/<corpus>``.

    Raises:
        UserError: there is no such feature set here.
    """
    folder = find_features(root, name)
    if not any(folder.glob("*.h5")):
        return "  ".join(f"{value}" for value in _row(folder) if value)
    features = FeatureSet(folder, verify=False)
    recipe = features.recipe
    own = {key: value for key, value in recipe.items() if key not in _SHARED}
    lines = [
        f"{name}: {recipe['kind']}, {', '.join(features.checkpoints)}, layers {layers_in_words(features.layers)}, "
        f"{features.dimension} dimensions, {recipe['storage']}, "
        f"clips {_lengths(recipe['clips'])}, " + ", ".join(f"{key} {_shortened(value)}" for key, value in own.items()),
        *_remarks(features),
        f"{'shard':<16}{'utterances':>12}{'frames':>12}{'MB':>10}  fingerprint   computed",
    ]
    for shard in features.shards:
        provenance = features.provenance[shard.path.stem]
        lines.append(
            f"{shard.path.stem:<16}{len(set(shard.ids)):>12,}{shard.offsets[-1]:>12,}{_megabytes(shard.path):>10,.1f}  "
            f"{shard.attributes['fingerprint'][:12]}  {provenance['compute_dtype']} on {provenance['device']}, "
            + ", ".join(f"{library} {version}" for library, version in provenance["versions"].items())
        )
    return "\n".join(lines)


def features_contents(root: Path, name: str) -> dict:
    """The same for a program.

    Raises:
        UserError: there is no such feature set here.
    """
    folder = find_features(root, name)
    contents = _contents(folder)
    if not any(folder.glob("*.h5")):
        return contents
    features = FeatureSet(folder, verify=False)
    shards = [
        {
            "shard": shard.path.stem,
            "utterances": len(set(shard.ids)),
            "frames": int(shard.offsets[-1]),
            "bytes": shard.path.stat().st_size,
            "fingerprint": shard.attributes["fingerprint"],
            **features.provenance[shard.path.stem],
        }
        for shard in features.shards
    ]
    return {**contents, "recipe": features.recipe, "shards": shards}


def verify_store(root: Path) -> None:
    """Verify every shard in the store and say so.

    Raises:
        UserError: listing everything that is damaged; or there is nothing.
    """
    paths = [path for folder in _folders(root) for path in sorted(folder.glob("*.h5"))]
    problems = [problem for path in tqdm(paths, desc="verify", unit="shard") for problem in verify_shard(path)]
    if problems:
        raise UserError(
            f"of {len(paths)} shards, some are damaged; `ser store repair` removes them:\n{listed(problems, most=50)}"
        )
    print(f"{len(paths)} shards are intact")


def _folders(root: Path) -> list[Path]:
    """``<root>/<set>/<corpus>``, of single and of joined corpora."""
    folders = sorted(folder for folder in root.glob("*/*") if folder.is_dir() and not folder.name.startswith("."))
    if not folders:
        raise UserError(f"{root}: no features here. Run `dvc repro`, or `dvc pull extract`.")
    return folders


def find_features(root: Path, name: str) -> Path:
    """The folder of ``<set>/<corpus>``.

    Raises:
        UserError: there is no such feature set here.
    """
    folders = {_name(folder): folder for folder in _folders(root)}
    if name not in folders:
        raise UserError(f"no features {name!r} here{nearest(name, folders)} (there are {', '.join(folders)})")
    return folders[name]


def _contents(folder: Path) -> dict:
    """What a feature set of a corpus is; why it holds nothing, if it does not."""
    start = {"set": folder.parent.name, "corpus": folder.name}
    if not any(folder.glob("*.h5")):
        return {**start, "absence": _absence(folder)}
    features = FeatureSet(folder, verify=False)
    return {
        **start,
        "utterances": len(features.ids),
        "num_shards": len(features.shards),
        "layers": list(features.layers),
        "dimension": features.dimension,
        "storage": features.recipe["storage"],
        "bytes": sum(shard.path.stat().st_size for shard in features.shards),
        "made_with": list(features.checkpoints),
        "remarks": _remarks(features),
    }


def _row(folder: Path) -> list[str]:
    """A line of the table."""
    start = [folder.parent.name, folder.name]
    if any(folder.glob("*.h5")):
        features = FeatureSet(folder, verify=False)
        size = sum(_megabytes(shard.path) for shard in features.shards)
        return [
            *start,
            f"{len(features.ids):,}",
            str(len(features.shards)),
            layers_in_words(features.layers),
            str(features.dimension),
            features.recipe["storage"],
            f"{size:,.1f}",
            ", ".join(features.checkpoints),
        ]
    return [*start, *[""] * (len(_COLUMNS) - 3), _absence(folder)]


def _absence(folder: Path) -> str:
    """Why a folder of the store holds no shards itself."""
    if reason := why_not_wanted(folder):
        return f"not wanted: {reason}"
    if (folder / JOINED).is_file():
        return "joined: a list of the shards of several corpora"
    return "empty"


def _remarks(features: FeatureSet) -> list[str]:
    """What a reader of results should know of the features."""
    return [*features.cautions.values(), *filter(None, [features.mixed_types(), features.noise_sentence()])]


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _lengths(clips: dict) -> str:
    """How long clips are, by their recipe."""
    if clips["crop"] == "segments":
        return f"of {clips['seconds']:g} s, one every {clips['hop']:g} s of an utterance"
    return f"of at most {clips['seconds']:g} s" if clips["seconds"] else "of whole utterances"


def layers_in_words(layers: list[int]) -> str:
    """``0-12`` for layers without a gap, else all of them."""
    if len(layers) > 2 and layers == list(range(layers[0], layers[-1] + 1)):
        return f"{layers[0]}-{layers[-1]}"
    return ",".join(map(str, layers))


def _shortened(value) -> str:
    """A value of a recipe; of a digest, the first characters."""
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)


def _megabytes(path: Path) -> float:
    return path.stat().st_size / 1e6
