"""A predictor from files: the folder of a head, of one of its runs, or a packed model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from data.errors import UserError, listed
from features.encoder import AudioEncoder
from features.extraction import recipe_of
from features.kinds import open_encoder
from features.settings import KindSettings
from inference.predictor import Predictor, Run
from training.checkpoint import load_head

_RUNS = "fold-*/seed-*/config.json"


def run_folders(folder: Path) -> list[Path]:
    """The folders of a head's runs: all of ``artifacts/heads/<head>``, or the one that is given.

    Raises:
        UserError: there is no trained head.
    """
    if (folder / "config.json").exists():
        return [folder]
    found = sorted(path.parent for path in folder.glob(_RUNS))
    if not found:
        raise UserError(f"{folder}: no trained head here. Run `dvc repro`, or `dvc pull train`.")
    return found


def open_head(
    name: str,
    folders: Sequence[Path],
    settings: KindSettings,
    device: torch.device,
    temperatures: Mapping[str, float] = {},
) -> Predictor:
    """Load some runs of a head, and the encoder that they were trained with.

    Args:
        name: of the head.
        folders: of its runs.
        settings: of the feature set that it was trained on.
        device: where to compute.
        temperatures: run -> its temperature, where that is not 1.

    Raises:
        UserError: a run is damaged, or trained on other features than these settings give with this encoder.
    """
    loaded = {folder: load_head(folder) for folder in folders}
    configs = [config for _, config in loaded.values()]
    first = configs[0]
    outputs = "targets" if "targets" in first else "classes"
    for folder, config in zip(folders, configs, strict=True):
        if any(config.get(key) != first.get(key) for key in (outputs, "layers")):
            raise UserError(f"{folder}: other {outputs} or layers than {folders[0]}. Run dvc repro train@{name}")
    source = open_encoder(settings, device) if settings.kind != "imported" else None
    for folder, config in zip(folders, configs, strict=True):
        if source is not None:
            check_recipe(str(folder), config["features"]["recipe"], settings, source)
    return Predictor(
        name=name,
        runs=[
            Run(_run_name(config), model, temperatures.get(_run_name(config), 1.0)) for model, config in loaded.values()
        ],
        names=first[outputs],
        of_ratings=outputs == "targets",
        layers=first["layers"],
        settings=settings,
        encoder=source,
    )


def check_recipe(name: str, trained: dict, settings: KindSettings, encoder: AudioEncoder) -> None:
    """Refuse an encoder, or settings, that give other features than a head was trained on.

    Args:
        name: of the head, for the message.
        trained: the recipe of the features that it was trained on.
        settings: of the feature set.
        encoder: loaded for them.

    Raises:
        UserError: naming what differs.
    """
    here = json.loads(json.dumps(recipe_of(settings, encoder, settings.clips.content)))
    if here == trained:
        return
    if here.get("weights") != trained.get("weights"):
        raise UserError(
            f"{name} was trained with another encoder than {encoder.name}: its weights have the digest "
            f"{str(trained.get('weights'))[:12]}, these {str(here.get('weights'))[:12]}."
        )
    differing = [
        f"{key}: {here.get(key)!r} here, {trained.get(key)!r} in training"
        for key in sorted({*here, *trained})
        if here.get(key) != trained.get(key)
    ]
    raise UserError(f"{name} was trained on other features than these:\n{listed(differing)}")


def is_packed(path: Path) -> bool:
    """Whether a path is a packed model, folder or zip, or what is left of one."""
    return (
        path.suffix == ".zip"
        or (path / "pack.json").exists()
        or ((path / "README.md").exists() and (path / "runs").is_dir())
    )


def open_packed(path: Path, device: str, checkpoint: str | None = None) -> Predictor:
    """See `Predictor.from_pretrained`."""
    from inference.packing import open_pack

    return open_pack(path, device, checkpoint)


def choose_device(name: str) -> torch.device:
    """``auto`` (the GPU if there is one), ``cpu`` or ``cuda``.

    Raises:
        UserError: a GPU is asked for, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda, but torch sees no GPU here; use auto or cpu.")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def _run_name(config: dict) -> str:
    return f"fold-{config['fold']}/seed-{config['seed']}"
