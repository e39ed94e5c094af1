"""The weights that a feature set needs: whether they are here, how large they are, and fetching them ahead of time."""

import json
from pathlib import Path

from data.errors import UserError
from features.settings import KindSettings

_CONFIGURATION = ("config.json", "preprocessor_config.json")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def hub_checkpoint(settings: KindSettings) -> tuple[str, str | None] | None:
    """The Hugging Face id and revision that a feature set's weights come from; None if it needs none from there."""
    from features.ssl import SslSettings, is_untrained  # imports torch

    if not isinstance(settings, SslSettings) or is_untrained(settings.checkpoint):
        return None
    return None if settings.checkpoint_folder else (settings.checkpoint, settings.revision)


def are_here(checkpoint: str, revision: str | None) -> bool:
    """Whether the hub's cache on this machine has a checkpoint, complete, so that it loads without a network."""
    found = {name: _cached(checkpoint, name, revision) for name in (*_CONFIGURATION, *_WEIGHTS)}
    weights = next((found[name] for name in _WEIGHTS if found[name]), None)
    if weights is None or not all(found[name] for name in _CONFIGURATION):
        return False
    return weights.suffix != ".json" or all((weights.parent / name).is_file() for name in _parts(weights))


def download_size(checkpoint: str, revision: str | None) -> int | None:
    """The bytes of a checkpoint's files on the hub that are downloaded; None if the hub cannot be asked."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled

    try:
        info = HfApi().model_info(checkpoint, revision=revision, files_metadata=True)
    except (HTTPError, OfflineModeIsEnabled, OSError):
        return None
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    safe = {name: size for name, size in sizes.items() if name.endswith(".safetensors")}
    weights = safe or {name: size for name, size in sizes.items() if name.endswith(".bin")}
    return sum(weights.values()) + sum(sizes.get(name, 0) for name in _CONFIGURATION)


def fetch(settings: KindSettings) -> None:
    """Download a feature set's weights into the hub's cache, by loading them as `extract` does.

    Raises:
        UserError: they cannot be downloaded or loaded.
    """
    from features.checkpoints import load_checkpoint

    load_checkpoint(settings)
    checkpoint, revision = hub_checkpoint(settings)
    if not are_here(checkpoint, revision):
        raise UserError(f"checkpoint: {checkpoint} was loaded, but the hub's cache does not keep it")


def _cached(checkpoint: str, name: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(checkpoint, name, revision=revision)
    return Path(path) if isinstance(path, str) else None


def _parts(index: Path) -> set[str]:
    """The files that a checkpoint in parts consists of, by its index."""
    return set(json.loads(index.read_text())["weight_map"].values())
