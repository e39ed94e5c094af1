"""Which trained head to use, and the predictor of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data.errors import UserError, listed, nearest
from stages.layout import ARTIFACTS, features_folder, head_folder
from stages.params import PARAMS_FILE, read_section, read_yaml

if TYPE_CHECKING:
    from features.settings import KindSettings


def open_trained(where: Path | None, device: str = "auto", checkpoint: str | None = None):
    """Load a head, all of its runs or one, and its encoder.

    Args:
        where: the folder of a head or of a run, a packed model, or a head's name; None for `best_head`.
        device: ``auto``, ``cpu`` or ``cuda``.
        checkpoint: where the encoder's weights are, if not where params.yaml says.

    Returns:
        An `inference.Predictor`.

    Raises:
        UserError: there is no such head, or not its encoder.
    """
    from features.device import choose_device
    from inference.opening import is_packed, open_head, open_packed

    where = head_folder(best_head()) if where is None else where
    if is_packed(where):
        return open_packed(where, device, checkpoint)
    head = find_head(where)
    return open_head(head.name, head.folders, head.settings_with(checkpoint), choose_device(device, "--device"))


@dataclass(frozen=True)
class TrainedHead:
    """A head that was trained here.

    Attributes:
        name: in params.yaml.
        folders: of its runs, all of them or one.
        settings: of its feature set, as params.yaml has them.
    """

    name: str
    folders: list[Path]
    settings: "KindSettings"

    def settings_with(self, checkpoint: str | None) -> "KindSettings":
        """The settings, with the encoder's weights in another place if one is given.

        Raises:
            UserError: the features have no checkpoint.
        """
        if checkpoint is None:
            return self.settings
        if "checkpoint" not in type(self.settings).model_fields:
            raise UserError(
                f"--checkpoint: {self.name} was trained on features of kind {self.settings.kind}, which has none"
            )
        return self.settings.model_copy(update={"checkpoint": checkpoint, "revision": None})


def find_head(where: Path) -> TrainedHead:
    """Find a head that was trained here by its folder, a run's folder, or its name.

    Raises:
        UserError: there is no such head, or params.yaml does not say what it was trained on.
    """
    from features.kinds import FeatureSettings
    from inference.opening import run_folders

    if not where.exists():
        where = _named(str(where))
    folders = run_folders(where)
    name = _head_of(where)
    feature_set, corpus = _features_of(name)
    settings = read_section(f"features.{feature_set}", FeatureSettings)
    return TrainedHead(name, folders, _in_stored_type(settings, features_folder(corpus, feature_set)))


def best_head() -> str:
    """The trained head with the highest validation UA, mean over its runs; of heads for ratings, CCC.

    Heads on imported features are left out: what makes their frames of a recording is not known here.

    Raises:
        UserError: no head is trained, or this is no project.
    """
    if not PARAMS_FILE.exists():
        raise UserError(
            f"there is no {PARAMS_FILE} here to choose a head from. Name a packed model, such as --head packs/gru, or "
            "run this in a project's folder."
        )
    scored = {name: validation_score(name) for name in read_yaml().get("heads", {}) if not _is_imported(name)}
    by_head = {name: score for name, score in scored.items() if score is not None}
    if not by_head:
        raise UserError(f"{ARTIFACTS / 'heads'}: no trained head here. Run `dvc repro`, or `dvc pull train`.")
    classifying = {name: score for name, score in by_head.items() if score[0] == "ua"} or by_head
    return max(sorted(classifying), key=lambda name: classifying[name][1])


def describe_default() -> str:
    """Which head is used where none is asked for, and why: a sentence for people.

    Raises:
        UserError: see `best_head`.
    """
    name = best_head()
    metric, score = validation_score(name)
    if score < 0:
        return f"no --head given: {name}; none here was validated"
    figure = f"{score:.1%} UA" if metric == "ua" else f"CCC {score:.3f}"
    said = f"no --head given: {name}, the best one here on validation ({figure}, mean over its models)"
    if metric == "ua" and len({classes for head in read_yaml()["heads"] if (classes := _classes(head))}) > 1:
        said += "; the heads here have different classes, so their UA can hardly be compared: choose with --head"
    return said


def validation_score(name: str) -> tuple[str, float] | None:
    """``ua`` or ``ccc``, and what a head reached of it on validation at its chosen epochs, mean over its runs; None if
    it is not trained. Without validation utterances it is -1.
    """
    scores = []
    for path in sorted(head_folder(name).glob("fold-*/seed-*/config.json")):
        try:
            config = json.loads(path.read_text())
            metric = "ccc" if "targets" in config else "ua"
            best = pd.read_csv(path.with_name("history.csv")).set_index("epoch").loc[config["best_epoch"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path.parent}: half-written or damaged, so that no best head can be chosen: {error}. Run "
                "`dvc repro`, or say which head with --head."
            ) from error
        scores.append(float(best.get(f"validation_{metric}", -1.0)))
    return (metric, sum(scores) / len(scores)) if scores else None


def _is_imported(head: str) -> bool:
    """Whether a head of params.yaml reads features that were made elsewhere."""
    params = read_yaml()
    feature_set = _features_of(head)[0]
    return params.get("features", {}).get(feature_set, {}).get("kind") == "imported"


def _classes(name: str) -> tuple[str, ...]:
    """What a head tells apart; nothing of ratings, and of a head that is not trained."""
    paths = sorted(head_folder(name).glob("fold-*/seed-*/config.json"))
    return tuple(json.loads(paths[0].read_text()).get("classes", [])) if paths else ()


def _named(name: str) -> Path:
    """The folder of a head by its name, or of a run: ``gru/fold-0/seed-1``."""
    if (folder := head_folder(name)).exists():
        return folder
    heads = [path.name for path in sorted(head_folder("").glob("*/")) if path.is_dir()]
    there_are = f"\nTrained here are\n{listed(heads)}" if heads else ""
    raise UserError(f"--head {name}: no such folder, and no trained head{nearest(name, heads) or '.'}{there_are}")


def _head_of(where: Path) -> str:
    """The name of the head whose folder, or whose run's folder, is given."""
    return where.resolve().parents[1].name if (where / "config.json").exists() else where.resolve().name


def _features_of(head: str) -> tuple[str, str]:
    """The feature set of a head, and its corpus, by params.yaml, which alone says where its encoder comes from."""
    if not PARAMS_FILE.exists():
        raise UserError(
            f"there is no {PARAMS_FILE} here, which says which encoder {head} needs. Run this in the project's folder, "
            "or pack the head there: ser pack"
        )
    heads = read_yaml().get("heads", {})
    if head not in heads:
        raise UserError(
            f"{PARAMS_FILE} has no head {head!r}{nearest(head, heads)}, so it does not say which encoder it needs. "
            "Put it back, or pack the head where it was trained: ser pack"
        )
    feature_set, _, corpus = heads[head]["features"].partition("/")
    return feature_set, corpus


def _in_stored_type(settings: "KindSettings", folder: Path) -> "KindSettings":
    """Settings with the compute type of the features that are here, where ``auto`` might mean another one.

    Features of another machine, or of before, keep their type, and what is predicted should differ from them as little
    as it can. Shards of several types leave it to this machine.
    """
    if getattr(settings, "compute_dtype", None) != "auto":
        return settings
    from features.store import FeatureSet

    try:
        types = {shard["compute_dtype"] for shard in FeatureSet(folder, verify=False).provenance.values()}
    except (UserError, OSError):  # they are not needed here
        return settings
    return settings.model_copy(update={"compute_dtype": types.pop()}) if len(types) == 1 else settings
