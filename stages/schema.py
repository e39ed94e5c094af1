"""The whole of params.yaml, composed of the rooms' own models."""

from typing import Annotated, Literal

import torch
from pydantic import Field

from data.clips import ClipsSettings
from data.errors import UserError
from data.labels import TaskSettings, check_codes
from data.manifest import CorpusSettings, nearest
from data.settings import Settings
from data.splits import SplitSettings
from evaluation.settings import EvaluateSettings
from features.kinds import FeatureSettings
from models import HEADS
from models.head import HeadSettings
from report.settings import ReportSettings
from stages.params import parse, read_yaml
from training.settings import TrainingSettings

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
_Name = Annotated[str, Field(pattern=_NAME)]
_Count = Annotated[int, Field(ge=1)] | Literal["auto"]


class RuntimeSettings(Settings):
    """``runtime``: how, not what. Tracked by no stage and part of no fingerprint.

    Attributes:
        device: ``auto`` takes the GPU if there is one.
        batch_size: clips per pass of the encoder.
        workers: threads of preprocess, processes of train.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: _Count = "auto"
    workers: _Count = "auto"

    def choose_device(self) -> torch.device:
        """The device to compute on.

        Raises:
            UserError: a GPU is asked for, and there is none.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UserError("runtime.device: cuda, but torch sees no GPU here; use auto or cpu.")
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)


class Params(Settings):
    """params.yaml. Heads are checked by `read_params`, which knows each model's own parameters."""

    corpus: CorpusSettings
    task: TaskSettings
    split: SplitSettings
    clips: Annotated[dict[_Name, ClipsSettings], Field(min_length=1)]
    features: Annotated[dict[_Name, FeatureSettings], Field(min_length=1)]
    training: TrainingSettings = TrainingSettings()
    heads: Annotated[dict[_Name, dict], Field(min_length=1)]
    evaluate: EvaluateSettings = EvaluateSettings()
    report: ReportSettings = ReportSettings()
    runtime: RuntimeSettings = RuntimeSettings()

    def head(self, name: str) -> tuple[HeadSettings, TrainingSettings]:
        """A head's own settings, and the parameters of training with its overrides.

        Raises:
            UserError: no such head or model, an unknown parameter, a wrong value, a missing feature set.
        """
        where = f"heads.{name}"
        entry = _lookup(self.heads, name, "heads")
        if "model" not in entry:
            raise UserError(f"params.yaml: {where}.model: is missing; there are {', '.join(HEADS)}")
        if entry["model"] not in HEADS:
            raise UserError(
                f"params.yaml: {where}.model: no model {entry['model']!r}{nearest(entry['model'], HEADS)} "
                f"(there are {', '.join(HEADS)})"
            )
        model = HEADS[entry["model"]][0]
        overridable = set(TrainingSettings.model_fields)
        for key in entry:
            if key not in overridable | set(model.model_fields):
                known = [*model.model_fields, *sorted(overridable)]
                raise UserError(
                    f"params.yaml: {where}.{key}: unknown parameter{nearest(key, known)} (there are {', '.join(known)})"
                )
        settings = parse(model, {key: value for key, value in entry.items() if key in model.model_fields}, where)
        overrides = {key: value for key, value in entry.items() if key in overridable}
        training = parse(TrainingSettings, self.training.override(overrides), where)
        if settings.features not in self.features:
            raise UserError(
                f"params.yaml: {where}.features: there is no feature set {settings.features!r}"
                f"{nearest(settings.features, self.features)} (there are {', '.join(self.features)})"
            )
        if stored := self.features[settings.features].known_layers():
            asked = settings.choose_layers(stored)
            missing = sorted(set(asked) - set(stored))
            if missing:
                raise UserError(
                    f"params.yaml: {where}.layers: "
                    f"{', '.join(map(str, missing))} is not stored by features.{settings.features} ({stored})"
                )
            if settings.model == "weighted_layers" and len(asked) < 2:
                raise UserError(
                    f"params.yaml: {where}: a mixture of the one layer {asked[0]}; store more of them with "
                    f"features.{settings.features}.layers: all, or use model: linear"
                )
        return settings, training


def read_params() -> Params:
    """Read and check the whole of params.yaml.

    Raises:
        UserError: the first thing that is wrong, or all of them where they are of one kind.
    """
    return check_params(read_yaml())


def check_params(values: dict) -> Params:
    """Check parameters as they come out of the YAML file."""
    params = parse(Params, _with_nested_clips(values), "")
    for name in params.heads:
        params.head(name)
    if params.report.reference is not None:
        _lookup(params.heads, params.report.reference, "report.reference", "head ")
    check_codes(params.task, params.corpus.name)
    return params


def _with_nested_clips(values: dict) -> dict:
    """Put the recipe that a feature set's ``clips`` names in its place."""
    recipes, sets = values.get("clips"), values.get("features")
    if not (isinstance(recipes, dict) and isinstance(sets, dict)):
        return values
    nested = {}
    for name, entry in sets.items():
        recipe = entry.get("clips") if isinstance(entry, dict) else None
        if isinstance(recipe, str) and recipe not in recipes:
            raise UserError(
                f"params.yaml: features.{name}.clips: there is no recipe {recipe!r}"
                f"{nearest(recipe, recipes)} (there are {', '.join(recipes)})"
            )
        nested[name] = {**entry, "clips": recipes[recipe]} if isinstance(recipe, str) else entry
    return {**values, "features": nested}


def _lookup(section: dict, name: str, where: str, kind: str = ""):
    if name not in section:
        raise UserError(f"params.yaml: {where}: there is no {kind}{name!r}{nearest(name, section)}")
    return section[name]
