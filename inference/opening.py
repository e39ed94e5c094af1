"""A predictor from files: the folder of a head, of one of its runs, or a packed model."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from data.errors import UserError, listed
from data.json_files import read_json
from features.encoder import AudioEncoder
from features.extraction import recipe_of
from features.kinds import open_encoder
from features.settings import KindSettings
from inference.predictor import Predictor, Run
from training.checkpoint import StandardisedHead, load_head

_RUN_FILES = ("config.json", "model.safetensors")
_LIST = "pieces.json"  # in a head's folder: the files of its runs
_FORMAT, _FORMAT_VERSION = "emocache-head", 1


def run_folders(folder: Path) -> list[Path]:
    """The folders of a head's runs: all of ``artifacts/heads/<head>``, or the one that is given.

    Raises:
        UserError: there is no trained head, or a part of one is missing.
    """
    if any((folder / name).exists() for name in _RUN_FILES):
        runs = [folder]
    else:
        runs = sorted(path for path in folder.glob("fold-*/seed-*") if path.is_dir())
    if not runs:
        raise UserError(f"{folder}: no trained head here. Run `dvc repro`, or `dvc pull train`.")
    expected = {run / name for run in runs for name in _RUN_FILES} | _listed_files(folder)
    if missing := sorted(str(path.relative_to(folder)) for path in expected if not path.exists()):
        raise UserError(
            f"{folder}: only a part of a trained head; missing:\n{listed(missing)}\nRun `dvc repro`, or copy it again."
        )
    return runs


def load_run(folder: Path) -> tuple[StandardisedHead, dict]:
    """Load one run of a head: see `training.checkpoint.load_head`. It no longer depends on its file.

    Raises:
        UserError: it is damaged, or written by a newer version.
    """
    config = read_json(folder / "config.json")
    if config.get("format", _FORMAT) != _FORMAT:
        raise UserError(f"{folder / 'config.json'}: not a trained head of emocache: format {config['format']!r}.")
    if config.get("format_version", _FORMAT_VERSION) not in range(_FORMAT_VERSION + 1):
        raise UserError(
            f"{folder}: written by a newer emocache: its format is version {config['format_version']}, and this one "
            f"reads version {_FORMAT_VERSION}. Update emocache."
        )
    model, loaded = load_head(folder)
    return copy.deepcopy(model), loaded  # safetensors maps a file into memory: who wrote over it would change the model


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
        UserError: a run is damaged, or trained on other features than these settings give with this encoder; or the
            encoder is not here.
    """
    loaded = {folder: load_run(folder) for folder in folders}
    configs = [config for _, config in loaded.values()]
    first = configs[0]
    outputs = "targets" if "targets" in first else "classes"
    for folder, config in zip(folders, configs, strict=True):
        if any(config.get(key) != first.get(key) for key in (outputs, "layers")):
            raise UserError(f"{folder}: other {outputs} or layers than {folders[0]}. Run dvc repro train@{name}")
    encoder = _open_encoder(name, settings, device)
    for folder, config in zip(folders, configs, strict=True):
        check_recipe(str(folder), config["features"]["recipe"], settings, encoder)
    return Predictor(
        name=name,
        runs=[
            Run(_run_name(config), model, temperatures.get(_run_name(config), 1.0)) for model, config in loaded.values()
        ],
        names=first[outputs],
        of_ratings=outputs == "targets",
        layers=first["layers"],
        settings=settings,
        encoder=encoder,
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


def _open_encoder(name: str, settings: KindSettings, device: torch.device) -> AudioEncoder:
    if settings.kind == "imported":
        raise UserError(f"{name} was trained on imported features: what makes them of a recording is not known here.")
    try:
        return open_encoder(settings, device)
    except UserError as error:
        elsewhere = "\nIf its weights are elsewhere: --checkpoint FOLDER" if settings.kind == "ssl" else ""
        why = str(error).replace("; or use 'untrained', which needs no network", "")
        raise UserError(f"{name} needs the encoder of its features, which is not here: {why}{elsewhere}") from error


def _listed_files(folder: Path) -> set[Path]:
    """The files that a head's folder should hold, as far as predicting needs them."""
    if not (folder / _LIST).exists():
        return set()
    try:
        files = [Path(file) for contents in read_json(folder / _LIST).values() for file in contents.values()]
    except (AttributeError, TypeError):
        raise UserError(f"{folder / _LIST}: damaged. Run `dvc pull`, or copy it again.") from None
    return {folder / file for file in files if file.name in _RUN_FILES}


def _run_name(config: dict) -> str:
    return f"fold-{config['fold']}/seed-{config['seed']}"
