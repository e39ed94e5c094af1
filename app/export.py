"""`ser export`: a trained head, alone and with its encoder, as ONNX files."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from app.export_material import ProjectMaterial
from app.trained import open_trained
from data.errors import UserError, listed, nearest
from inference.export.bundle import MODEL, Exported, export_runs, in_float32, new_bundle
from inference.export.material import MadeUp, Material, Utterance
from inference.predictor import Predictor, Run
from stages.layout import head_folder

EXPORTS = Path("exports")
_MADE_UP = 24  # utterances, where there are no real ones


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        where: a head, one of its runs or a packed model; None for the best head.
        runs: names of runs, ``fold-0/seed-1,fold-1/seed-1``, which answer with their mean; ``all`` of them; None for
            the one with the best validation score.
        output: the folder; None for ``exports/<head>``.
        with_encoder: whether to export the encoder with the head, too.
        threads: of onnxruntime.
        checkpoint: where the encoder's weights are, if not where params.yaml says.
    """

    where: Path | None = None
    runs: str | None = None
    output: Path | None = None
    with_encoder: bool = True
    threads: int = 1
    checkpoint: str | None = None


def export_head(request: Request, say: Callable[[str], None]) -> tuple[Path, Exported]:
    """Export runs of a head.

    Args:
        request: which, and where to.
        say: called with a sentence for people at every step.

    Returns:
        The folder, and what is in it.

    Raises:
        UserError: there is no such head or run, or a file does not give what torch gives.
    """
    opened = open_trained(request.where, "cpu", request.checkpoint)
    runs = _choose(opened, request.runs, say)
    predictor = in_float32(opened, runs)
    material, utterances = _material(predictor, runs, say)
    folder = request.output or EXPORTS / predictor.name
    with new_bundle(folder) as partial:
        exported = export_runs(
            predictor,
            runs,
            material,
            utterances,
            partial,
            with_encoder=request.with_encoder,
            threads=request.threads,
            on_step=say,
        )
    return folder, exported


def _choose(predictor: Predictor, wanted: str | None, say: Callable[[str], None]) -> list[Run]:
    by_name = {run.name: run for run in predictor.runs}
    if wanted == "all" or (wanted is None and len(by_name) == 1):
        return predictor.runs
    if wanted is not None:
        names = wanted.split(",")
        for name in names:
            if name not in by_name:
                raise UserError(f"--runs: no run {name!r}{nearest(name, by_name)}; there are\n{listed(list(by_name))}")
        return [by_name[name] for name in dict.fromkeys(names)]
    scores = {name: score for name in by_name if (score := _validation_score(predictor.name, name)) is not None}
    best = max(scores, key=scores.get) if scores else predictor.runs[0].name
    why = f"best validation score, {scores[best]:.3f}" if scores else "the first; no validation scores are here"
    say(f"run {best} of {len(by_name)} ({why}); --runs chooses others, --runs all takes the mean of all")
    return [by_name[best]]


def _validation_score(head: str, run: str) -> float | None:
    """What a run reached on validation at its chosen epoch; None if that is not known here."""
    try:
        config = json.loads((head_folder(head) / run / "config.json").read_text())
        history = pd.read_csv(head_folder(head) / run / "history.csv").set_index("epoch")
    except OSError:
        return None
    score = history.loc[config["best_epoch"]].get(f"validation_{'ccc' if 'targets' in config else 'ua'}")
    return None if score is None or pd.isna(score) else float(score)


def _material(predictor: Predictor, runs: list[Run], say: Callable[[str], None]) -> tuple[Material, list[Utterance]]:
    """What to compare on: the runs' own test utterances, or noise where they are not here."""
    try:
        project = ProjectMaterial(predictor.name, predictor.layers)
        if project.has_waveforms:
            folds = dict.fromkeys(_fold(run) for run in runs)
            return project, [utterance for fold in folds for utterance in project.utterances(fold, "test")]
        why = "the clips are not here"
    except (UserError, OSError) as error:
        why = str(error).splitlines()[0]
    say(f"compared on noise instead of test utterances: {why}")
    model = runs[0].model
    made_up = MadeUp(model, predictor.encoder, min(predictor.seconds or 5.0, 5.0))
    return made_up, made_up.utterances(_MADE_UP)


def _fold(run: Run) -> int:
    return int(run.name.split("/")[0].removeprefix("fold-"))


def describe(folder: Path, exported: Exported) -> str:
    """What was exported, a line a file."""
    lines = [
        f"{folder / name}: {(folder / name).stat().st_size / 1e6:.1f} MB; {parity.answers:,} answers in "
        f"{parity.shapes} shapes differ from torch by up to {parity.largest:.1g}, {parity.equal:,} predictions equal"
        for name, parity in exported.parity.items()
    ]
    if MODEL not in exported.parity:
        lines.append("the encoder was left out")
    return "\n".join(lines)
