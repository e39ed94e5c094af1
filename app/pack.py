"""`ser pack`: runs of a head as one folder, or zip, for others."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from app.trained import TrainedHead, best_head, find_head
from data.errors import UserError, listed, nearest
from evaluation.results import Details, RegressionDetails, read_details
from evaluation.runs import read_runs
from evaluation.settings import EvaluateSettings
from features.device import choose_device
from inference.card import render_card
from inference.card_figures import card_figures
from inference.opening import is_packed, open_head
from inference.pack_format import PackDescription
from inference.packing import describe_runs, num_parameters, write_pack
from inference.temperature import TemperatureScaling, scale_temperatures
from stages.dvc_cache import LIST
from stages.layout import evaluation_folder, head_folder
from stages.params import read_section

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class Asked:
    """What is to be packed, or shown as a card.

    Attributes:
        where: the head's folder, a run's folder, or its name; None for the best one.
        runs: ``all``, or names such as ``fold-0/seed-1``, joined by commas.
        license: of the weights, as the Hugging Face hub writes it.
        encoder: the Hugging Face id of an encoder that is a local folder here.
    """

    where: Path | None = None
    runs: str = "all"
    license: str = "other"
    encoder: str | None = None


def pack_head(
    asked: Asked,
    output: Path | None = None,
    *,
    zipped: bool = False,
    checkpoint: str | None = None,
    device: str = "auto",
    force: bool = False,
) -> str:
    """Pack a head that was trained here.

    Args:
        asked: what to pack.
        output: the folder or zip to write; None for ``packs/<head>``.
        zipped: whether to write a zip.
        checkpoint: where the encoder's weights are, if not where params.yaml says.
        device: ``auto``, ``cpu`` or ``cuda``, to open the encoder on.
        force: replace a pack that is there.

    Returns:
        What was packed, and what to do with it.

    Raises:
        UserError: there is no such head or run, not its encoder, not its evaluation, or something in the way.
    """
    head = _find(asked)
    output = output or Path("packs") / (f"{head.name}.zip" if zipped else head.name)
    _check_output(output, force)
    description = _describe(head, asked)
    settings, where = head.settings_with(checkpoint), choose_device(device, "--device")
    open_head(head.name, head.folders, settings, where)  # its encoder is checked
    card = render_card(description)
    description = write_pack(output, description, head.folders, card, zipped or output.suffix == ".zip")
    return _said(output, description)


def describe_head(asked: Asked) -> PackDescription:
    """What a pack of a head would be, without its files.

    Raises:
        UserError: there is no such head or run, or not its evaluation.
    """
    return _describe(_find(asked), asked)


def _find(asked: Asked) -> TrainedHead:
    """The head, with the chosen runs."""
    where = head_folder(best_head()) if asked.where is None else asked.where
    if is_packed(where):
        raise UserError(f"{where} is packed already. `ser card {where}` prints its card.")
    if not _LICENSE.fullmatch(asked.license):
        raise UserError(
            f"--license {asked.license}: expected an identifier such as cc-by-nc-4.0, mit or other, as in "
            "https://huggingface.co/docs/hub/repositories-licenses"
        )
    head = find_head(where)
    return TrainedHead(head.name, _chosen(head.folders, asked.runs), head.settings)


def _describe(head: TrainedHead, asked: Asked) -> PackDescription:
    details = _read_evaluation(head)
    scaling = _temperatures(head, details)
    figures = card_figures(
        details, license=asked.license, num_parameters=num_parameters(head.folders[0]), temperature=scaling
    )
    return describe_runs(
        head.name,
        head.folders,
        head.settings,
        encoder=asked.encoder,
        temperatures=scaling.fitted if scaling and scaling.used else {},
        card=figures.model_dump(mode="json"),
    )


def _read_evaluation(head: TrainedHead) -> Details | RegressionDetails:
    """The figures of a head.

    Raises:
        UserError: there are none, or those of other runs.
    """
    path, run = evaluation_folder(head.name) / "details.json", f"dvc repro evaluate@{head.name}"
    if not path.exists():
        raise UserError(
            f"{head.name} has not been evaluated here, and its card needs the figures. Run {run}, or "
            f"dvc pull evaluate@{head.name}"
        )
    try:
        details = read_details(path)
    except (ValidationError, ValueError):
        raise UserError(f"{path}: damaged, or of another version of emocache. Run {run}") from None
    pieces = _folder(head) / LIST
    if pieces.exists() and list(json.loads(pieces.read_text())) != details.training.fingerprints.head:
        raise UserError(f"{path} has the figures of other runs of {head.name} than those that are here. Run {run}")
    return details


def _temperatures(head: TrainedHead, details: Details | RegressionDetails) -> TemperatureScaling | None:
    if isinstance(details, RegressionDetails):
        return None
    runs = read_runs(_folder(head))
    by_run = {f"fold-{fold}/seed-{seed}": rows for (fold, seed), rows in runs.predictions.groupby(["fold", "seed"])}
    chosen = {_run_name(folder): by_run[_run_name(folder)] for folder in head.folders}
    return scale_temperatures(chosen, runs.config["classes"], read_section("evaluate", EvaluateSettings))


def _folder(head: TrainedHead) -> Path:
    return head.folders[0].resolve().parents[1]


def _run_name(folder: Path) -> str:
    return "/".join(folder.resolve().parts[-2:])


def _chosen(folders: list[Path], runs: str) -> list[Path]:
    """The folders of the runs that are named."""
    if runs == "all":
        return folders
    by_name = {_run_name(folder): folder for folder in folders}
    wanted = list(dict.fromkeys(name.strip() for name in runs.split(",") if name.strip()))
    for name in wanted or [runs]:
        if name not in by_name:
            meant = nearest(name, by_name) or "."
            raise UserError(f"--runs {name}: no such run{meant}\nThis head has\n{listed(list(by_name))}")
    return [by_name[name] for name in wanted]


def _check_output(output: Path, force: bool) -> None:
    """Refuse to replace anything but a pack, and a pack only where that was asked for."""
    if not output.exists():
        return
    if not is_packed(output):
        raise UserError(f"{output} exists, and is no packed model. Choose another --output.")
    if not force:
        raise UserError(f"{output} exists. To replace it: --force")


def _said(output: Path, description: PackDescription) -> str:
    """What was packed, and what to do with it."""
    megabytes = sum(file.bytes for file in description.files.values()) / 1e6
    runs, encoder = description.runs, description.encoder
    used = any(run.temperature != 1 for run in runs)
    lines = [
        f"{output}: {description.name}, {len(runs)} run{'s' if len(runs) > 1 else ''}, {megabytes:.1f} MB, "
        f"{'with' if used else 'without'} temperatures",
    ]
    option = ""
    if encoder.is_folder:
        option = " --checkpoint FOLDER"
        lines.append(
            f"note: its encoder is the local folder {encoder.name}, which is not in the pack. Whoever uses it has to "
            "have it; if the Hugging Face hub has it, too, say so: --encoder ID"
        )
    if description.card["license"] == "other":
        lines.append("note: the card does not state a licence for the weights: --license cc-by-nc-4.0, for example")
    lines += [f"Its card: ser card {output}", f"Try it: ser predict --head {output}{option} FILES"]
    return "\n".join(lines)
