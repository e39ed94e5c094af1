"""Some runs of a head as one folder, or zip, that works without the project that trained them; and back."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from data.digest import file_digest
from data.errors import UserError
from features.device import choose_device
from features.settings import KindSettings
from features.ssl import is_untrained
from inference.opening import open_head
from inference.pack_archive import read_archive_file, unpack_archive, write_archive
from inference.pack_format import (
    CARD_FILE,
    PACK_FILE,
    PackDescription,
    PackedEncoder,
    PackedFile,
    PackedRun,
    read_description,
)
from inference.predictor import Predictor
from training.checkpoint import load_head

_KEPT = (  # of config.json
    *("format", "format_version", "settings", "training", "classes", "targets", "fold", "seed", "layers", "dimension"),
    *("utterances", "best_epoch", "epochs_run", "num_epochs", "layer_weights", "l2"),
)
_TRAINING_CLIPS = ("disturb", "disturb_seed")  # of the clips: predictions are made of clean ones
_ADVERSARY = "head.speaker_classifier."


def describe_runs(
    name: str,
    folders: Sequence[Path],
    settings: KindSettings,
    *,
    encoder: str | None = None,
    temperatures: Mapping[str, float] = {},
    card: dict | None = None,
) -> PackDescription:
    """Describe a pack of some runs, as yet without files.

    Args:
        name: of the head.
        folders: of its runs.
        settings: of the feature set, as params.yaml has them.
        encoder: the Hugging Face id of an encoder that is a local folder here.
        temperatures: run -> its temperature, where that is not 1.
        card: the figures of the model card, as JSON has them; without names of speakers.
    """
    configs = [json.loads((folder / "config.json").read_text()) for folder in folders]
    recipe = configs[0]["features"]["recipe"]
    needed = _describe_encoder(settings, recipe, encoder)
    runs = [f"fold-{config['fold']}/seed-{config['seed']}" for config in configs]
    return PackDescription(
        name=name,
        classes=configs[0].get("classes", []),
        targets=configs[0].get("targets", []),
        features=_portable(settings, needed),
        encoder=needed,
        runs=[
            PackedRun(name=run, folder=f"runs/{run.replace('/', '-')}", temperature=temperatures.get(run, 1.0))
            for run in runs
        ],
        card=card or {},
        files={},
    )


def write_pack(
    output: Path, description: PackDescription, folders: Sequence[Path], card: str, zipped: bool = False
) -> PackDescription:
    """Write a pack beside its place, and rename it in; the same input gives the same bytes.

    Nothing of the corpus is in it: no ids, no speakers, no paths. Speaker classifiers, which only training with an
    adversary needs, are left out.

    Args:
        output: the folder, or the zip; what is there is replaced.
        description: of `describe_runs`.
        folders: of these runs.
        card: README.md.
        zipped: whether to write a zip.

    Returns:
        The description, with the files.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with _workshop(output) as workshop:
        folder = workshop / "pack"
        for source, run in zip(folders, description.runs, strict=True):
            _write_run(source, folder / run.folder)
        (folder / CARD_FILE).write_text(card)
        description = description.model_copy(update={"files": _files(folder)})
        (folder / PACK_FILE).write_text(description.text())
        _check_files(folder, read_pack(folder), str(output))
        made = folder
        if zipped:
            made = workshop / "pack.zip"
            write_archive(folder, made)
        _put_in_place(made, output, workshop)
    return description


def num_parameters(folder: Path) -> int:
    """The weights of a run that are packed."""
    model, _ = load_head(folder)
    return _num_parameters(model)


def open_pack(path: Path, device: str = "auto", checkpoint: str | None = None) -> Predictor:
    """See `inference.Predictor.from_pretrained`."""
    with _unpacked(path) as (folder, description):
        _check_files(folder, description, str(path))
        settings = _settings_here(path, description, checkpoint)
        try:
            return open_head(
                description.name,
                [folder / run.folder for run in description.runs],
                settings,
                choose_device(device, "--device"),
                {run.name: run.temperature for run in description.runs},
            )
        except UserError as error:
            said = str(error).replace(f"{folder}{os.sep}", "")
            raise UserError(f"{path}: {said}") from error


def read_pack(path: Path) -> PackDescription:
    """The description of a pack, folder or zip; its files are not looked at.

    Raises:
        UserError: it is no pack, or damaged.
    """
    return read_description(read_text(path, PACK_FILE), str(path))


def read_text(path: Path, name: str) -> str:
    """pack.json or README.md of a pack.

    Raises:
        UserError: there is no such pack, or not this file in it.
    """
    if not path.exists():
        raise UserError(f"{path}: there is no such pack. `ser pack` writes one.")
    if path.is_file():
        return read_archive_file(path, name).decode(errors="replace")
    if not (path / name).is_file():
        raise UserError(f"{path}: {name} is missing: this is no packed model, or only a part of one. Copy it again.")
    return (path / name).read_text(errors="replace")


def is_edited(path: Path, description: PackDescription) -> bool:
    """Whether a pack's card is another one than was packed."""
    packed = description.files[CARD_FILE]
    content = read_text(path, CARD_FILE).encode()
    return len(content) != packed.bytes or hashlib.sha256(content).hexdigest() != packed.sha256


@contextmanager
def _workshop(output: Path) -> Iterator[Path]:
    """A folder beside an output, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name[:100]}.", dir=output.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(made: Path, output: Path, workshop: Path) -> None:
    if output.exists():
        output.rename(workshop / "replaced")
    made.rename(output)


def _write_run(source: Path, target: Path) -> None:
    """Write the weights and the config of a run, without its speaker classifier and whatever names the corpus."""
    model, config = load_head(source)
    state = model.state_dict()
    kept = {key: config[key] for key in _KEPT if key in config}
    kept |= {
        "speakers": [],
        "features": {"recipe": _without_copies(config["features"]["recipe"])},
        "num_parameters": _num_parameters(model),
    }
    if config["speakers"]:
        state = {key.replace("head.head.", "head.", 1): state[key] for key in state if not key.startswith(_ADVERSARY)}
    target.mkdir(parents=True)
    save_file({key: tensor.contiguous().cpu() for key, tensor in state.items()}, target / "model.safetensors")
    (target / "config.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")


def _num_parameters(model: nn.Module) -> int:
    kept = [parameter for name, parameter in model.named_parameters() if not name.startswith(_ADVERSARY)]
    return sum(parameter.numel() for parameter in kept)


def _without_copies(recipe: dict) -> dict:
    """A recipe of features without the disturbed copies, which only training can have used."""
    return {**recipe, "clips": {key: value for key, value in recipe["clips"].items() if key not in _TRAINING_CLIPS}}


def _describe_encoder(settings: KindSettings, recipe: dict, public_name: str | None) -> PackedEncoder:
    if "checkpoint" not in type(settings).model_fields:
        return PackedEncoder(name=settings.kind)
    from features.checkpoints import resolve_revision  # transformers takes a while to import

    is_folder = public_name is None and is_local(settings.checkpoint)
    here = Path(settings.checkpoint).expanduser()
    return PackedEncoder(
        name=public_name or (here.resolve().name if is_folder else settings.checkpoint),
        is_folder=is_folder,
        revision=None if is_folder or public_name else resolve_revision(settings),
        weights=recipe["weights"],
    )


def is_local(checkpoint: str) -> bool:
    """Whether the name of a checkpoint is that of a folder, here or elsewhere, rather than of a Hugging Face model."""
    is_path = checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") > 1
    return not is_untrained(checkpoint) and (is_path or Path(checkpoint).is_dir())


def _portable(settings: KindSettings, encoder: PackedEncoder) -> KindSettings:
    """Settings without what only training used, and without the place of an encoder on this machine."""
    changes = {"clips": settings.clips.model_copy(update={"disturb": [], "disturb_seed": 1})}
    if "checkpoint" in type(settings).model_fields:
        changes |= {"checkpoint": encoder.name, "revision": encoder.revision}
    return settings.model_copy(update=changes)


def _settings_here(path: Path, description: PackDescription, checkpoint: str | None) -> KindSettings:
    """The settings of the features, with the encoder where it is on this machine."""
    settings, encoder = description.features, description.encoder
    if checkpoint is not None:
        if "checkpoint" not in type(settings).model_fields:
            raise UserError(f"{path} needs no checkpoint: it was trained on features of kind {settings.kind}.")
        return settings.model_copy(update={"checkpoint": checkpoint, "revision": None})
    if encoder.is_folder:
        raise UserError(
            f"{path}: its encoder, {encoder.name}, was a local folder where it was packed. Say where it is here: "
            f'--checkpoint FOLDER, or checkpoint="FOLDER" in Python.'
        )
    return settings


def _files(folder: Path) -> dict[str, PackedFile]:
    return {
        path.relative_to(folder).as_posix(): PackedFile(bytes=path.stat().st_size, sha256=file_digest(path, "sha256"))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[Path, PackDescription]]:
    """The folder of a pack, which of a zip is a temporary one, and its description."""
    if not path.is_file():
        yield path, read_pack(path)
        return
    with tempfile.TemporaryDirectory(prefix="emocache-pack-") as folder:
        yield Path(folder), unpack_archive(path, Path(folder))


def _check_files(folder: Path, description: PackDescription, where: str) -> None:
    """Compare every file that predictions depend on with what was packed; the card may be edited.

    Raises:
        UserError: naming the first file that is missing or another one.
    """
    for name, packed in description.files.items():
        path = folder / name
        if name == CARD_FILE:
            continue
        if not path.is_file():
            raise UserError(f"{where}: {name} is missing: the pack is incomplete. Copy or download it again.")
        if path.stat().st_size != packed.bytes or file_digest(path, "sha256") != packed.sha256:
            raise UserError(f"{where}: {name} is not the file that was packed. Copy or download the pack again.")
