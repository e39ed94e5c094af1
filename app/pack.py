"""`ser pack`: runs of a head as one folder, or zip, for others."""

from pathlib import Path

from app.trained import best_head, find_head
from data.errors import UserError, listed, nearest
from inference.opening import choose_device, is_packed, open_head
from inference.pack_format import PackDescription
from inference.packing import write_pack
from stages.layout import head_folder


def pack_head(
    where: Path | None,
    output: Path | None,
    *,
    runs: str = "all",
    zipped: bool = False,
    checkpoint: str | None = None,
    encoder: str | None = None,
    force: bool = False,
) -> tuple[Path, PackDescription]:
    """Pack a head that was trained here.

    Args:
        where: the head's folder, a run's folder, or its name; None for the best one.
        output: the folder or zip to write; None for ``packs/<head>``.
        runs: ``all``, or names such as ``fold-0/seed-1``, joined by commas.
        zipped: whether to write a zip.
        checkpoint: where the encoder's weights are, if not where params.yaml says.
        encoder: the Hugging Face id of an encoder that is a local folder here.
        force: replace what is there.

    Returns:
        Where the pack is, and its description.

    Raises:
        UserError: there is no such head or run, not its encoder, or something in the way.
    """
    where = head_folder(best_head()) if where is None else where
    if is_packed(where):
        raise UserError(f"{where} is packed already. `ser card {where}` prints its card.")
    head = find_head(where)
    output = output or Path("packs") / (f"{head.name}.zip" if zipped else head.name)
    zipped = zipped or output.suffix == ".zip"
    _check_output(output, force)
    folders = _chosen(head.folders, runs)
    predictor = open_head(head.name, folders, head.settings_with(checkpoint), choose_device("cpu"))
    description = write_pack(
        output,
        predictor,
        folders,
        head.settings,
        card=lambda description: f"# {description.name}\n",
        encoder=encoder,
        zipped=zipped,
    )
    return output, description


def describe_pack(path: Path, description: PackDescription) -> str:
    """What was packed, and how to use it."""
    megabytes = sum(file.bytes for file in description.files.values()) / 1e6
    runs, encoder = description.runs, description.encoder
    needs = f"{encoder.name}, a local folder that its users have to have" if encoder.is_folder else encoder.name
    return (
        f"{path}: {description.name}, {len(runs)} run{'s' if len(runs) > 1 else ''}, {megabytes:.1f} MB; "
        f"needs the encoder {needs}\n"
        f"Its model card: ser card {path}\n"
        f"Try it: ser predict --head {path} FILES"
    )


def _check_output(output: Path, force: bool) -> None:
    """Refuse to replace anything but a pack, and a pack only where that was asked for."""
    if not output.exists():
        return
    if not is_packed(output):
        raise UserError(f"{output} exists, and is no packed model. Choose another --output.")
    if not force:
        raise UserError(f"{output} exists. To replace it: --force")


def _chosen(folders: list[Path], runs: str) -> list[Path]:
    """The folders of the runs that are named."""
    by_name = {"/".join(folder.resolve().parts[-2:]): folder for folder in folders}
    if runs == "all":
        return folders
    wanted = [name.strip() for name in runs.split(",") if name.strip()]
    for name in wanted:
        if name not in by_name:
            raise UserError(f"--runs {name}: no such run{nearest(name, by_name)}; there are\n{listed(list(by_name))}")
    return [by_name[name] for name in dict.fromkeys(wanted)]
