"""`ser export`: a trained head, alone and with its encoder, as ONNX files."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console
from tqdm import tqdm

from app.export_material import ProjectMaterial
from app.export_page import write_page
from app.export_table import megabytes, print_comparison
from app.trained import open_trained
from data.errors import UserError, listed
from data.json_files import write_json
from evaluation.settings import EvaluateSettings
from inference.export.bundle import Exported, export_runs, new_bundle
from inference.export.comparison import Comparison, Trial, compare
from inference.export.graphs import check_installed
from inference.export.material import MadeUp, Material, Utterance
from inference.export.reference import in_float32
from inference.opening import is_packed
from inference.predictor import Predictor, Run
from stages.layout import head_folder
from stages.params import read_section

EXPORTS = Path("exports")
TABLE = "export.json"
_MADE_UP = 24  # utterances, where there are no real ones


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        where: a head, one of its runs or a packed model; None for the best head.
        runs: names of runs, ``fold-0/seed-1,fold-1/seed-1``, which answer with their mean; ``all`` of them; None for
            the one with the best validation score, and all of a packed model's.
        output: the folder; None for ``exports/<head>``.
        with_encoder: whether to export the encoder with the head, too.
        int8: whether to write int8 files, too, and compare all variants.
        most: utterances of each run that variants are compared on.
        threads: of onnxruntime and torch.
        checkpoint: where the encoder's weights are, if not where params.yaml says.
    """

    where: Path | None = None
    runs: str | None = None
    output: Path | None = None
    with_encoder: bool = True
    int8: bool = False
    most: int = 200
    threads: int = 1
    checkpoint: str | None = None


@dataclass(frozen=True)
class Export:
    """What `ser export` made.

    Attributes:
        folder: where it is.
        exported: the float32 files beside torch.
        comparison: of all variants, if there are int8 files.
    """

    folder: Path
    exported: Exported
    comparison: Comparison | None


def export_head(request: Request, say: Callable[[str], None]) -> Export:
    """Export runs of a head.

    Args:
        request: which, and where to.
        say: called with a sentence for people at every step.

    Raises:
        UserError: there is no such head or run, or a file does not give what torch gives.
    """
    check_installed()
    opened = open_trained(request.where, "cpu", request.checkpoint)
    packed = request.where is not None and is_packed(request.where)
    runs = _choose(opened, request.runs or ("all" if packed else None), say)
    predictor = in_float32(opened, runs)
    material, utterances = _material(predictor, packed, say)
    trials = _trials(opened, runs, material) if request.int8 else []
    folder = request.output or EXPORTS / predictor.name
    with new_bundle(folder) as partial:
        exported = export_runs(
            predictor,
            material,
            utterances,
            partial,
            with_encoder=request.with_encoder,
            threads=request.threads,
            on_step=say,
        )
        comparison = None
        if trials:
            total = sum(min(request.most, len(trial.test)) for trial in trials)
            say(f"int8: writing, and trying {len(trials)} runs on {total} test utterances of theirs")
            with tqdm(total=total, unit="utterance", leave=False, disable=None) as bar:
                comparison = compare(
                    predictor,
                    trials,
                    material,
                    partial,
                    exported.encoder,
                    most=request.most,
                    statistics=read_section("evaluate", EvaluateSettings),
                    threads=request.threads,
                    on_utterance=bar.update,
                )
            write_json(partial / TABLE, asdict(comparison))
            write_page(comparison, partial)
    return Export(folder, exported, comparison)


def _choose(predictor: Predictor, wanted: str | None, say: Callable[[str], None]) -> list[Run]:
    by_name = {run.name: run for run in predictor.runs}
    if wanted == "all" or (wanted is None and len(by_name) == 1):
        return predictor.runs
    if wanted is not None:
        names = wanted.split(",")
        for name in names:
            if name not in by_name:
                raise UserError(f"--runs: no run {name!r}; there are\n{listed(list(by_name))}")
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


def _material(predictor: Predictor, packed: bool, say: Callable[[str], None]) -> tuple[Material, list[Utterance]]:
    """What to compare on: the runs' own test utterances, or noise where they are not here."""
    try:
        if packed:
            raise UserError("a packed model brings none")
        project = ProjectMaterial(predictor.name, predictor.layers)
        if project.has_waveforms:
            folds = dict.fromkeys(_fold(run) for run in predictor.runs)
            return project, [utterance for fold in folds for utterance in project.utterances(fold, "test")]
        why = "the clips are not here"
    except (UserError, OSError, KeyError) as error:
        why = str(error).splitlines()[0]
    say(f"compared on noise instead of test utterances: {why}")
    made_up = MadeUp(predictor.runs[0].model, predictor.encoder, min(predictor.seconds or 5.0, 5.0))
    return made_up, made_up.utterances(_MADE_UP)


def _trials(predictor: Predictor, runs: list[Run], material: Material) -> list[Trial]:
    """The exported runs; and where that is a single one, the other folds' runs of the same seed."""
    if not isinstance(material, ProjectMaterial):
        raise UserError("--int8 is tried on the head's own test utterances, and they are not here: see above")
    if len({_fold(run) for run in runs}) > 1:
        raise UserError("--int8: these runs have no test utterance in common, on which to try their mean")
    first = runs[0].name
    seed = first.partition("/")[2]
    others = [run for run in predictor.runs if run.name != first and run.name.partition("/")[2] == seed]
    return [
        Trial(of_one, material.utterances(fold, "test"), material.utterances(fold, "train", "validation"))
        for of_one in [runs, *([[run] for run in others] if len(runs) == 1 else [])]
        for fold in [_fold(of_one[0])]
    ]


def _fold(run: Run) -> int:
    return int(run.name.split("/")[0].removeprefix("fold-"))


def show(export: Export, as_json: bool) -> None:
    """Print what was exported: for people, or as JSON."""
    if as_json:
        files = {
            name: {"path": str(export.folder / name), **asdict(parity)}
            for name, parity in export.exported.parity.items()
        }
        comparison = None if export.comparison is None else asdict(export.comparison)
        print(json.dumps({"folder": str(export.folder), "files": files, "comparison": comparison}, indent=1))
        return
    console = Console(highlight=False)
    for name, parity in export.exported.parity.items():
        console.print(
            f"{export.folder / name}: {megabytes((export.folder / name).stat().st_size / 1e6)} MB; as torch: "
            f"{parity.equal:,} of {parity.answers:,} predictions equal, outputs within {parity.largest:.1g}",
            soft_wrap=True,
        )
    if export.comparison is not None:
        print_comparison(console, export.comparison)
        console.print(f"This table as a page: {export.folder / 'index.html'}", soft_wrap=True)
