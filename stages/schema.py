"""The whole of params.yaml, composed of the rooms' own models, and what must hold between its sections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from data.corpora import AnyCorpusSettings
from data.corpus_settings import CorpusSettings
from data.errors import UserError, nearest
from data.labels import TaskSettings, check_codes
from data.settings import Settings
from evaluation.settings import EvaluateSettings
from features.kinds import FeatureSettings
from models import HEADS
from models.head import HeadSettings
from report.settings import ReportSettings, choose_references
from stages.params import Corpora, Key, parse, read_yaml
from stages.runtime import RuntimeSettings
from training.choices import check_choices, settle
from training.settings import TrainingSettings

SCRATCH = "scratch"

_HeadName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class _HeadSource(Settings):
    """What every entry of ``heads`` names besides its model's own parameters."""

    model: str
    task: str
    features: Annotated[str, AfterValidator(lambda name: _set_and_corpus(name))]
    start: Literal["scratch"]


class _Sections(Settings):
    """The sections of params.yaml, each valid by itself."""

    corpora: Annotated[dict[Key, AnyCorpusSettings], Field(min_length=1)]
    joined: dict[Key, Corpora] = {}
    tasks: Annotated[dict[Key, TaskSettings], Field(min_length=1)]
    features: Annotated[dict[Key, FeatureSettings], Field(min_length=1)]
    training: TrainingSettings = TrainingSettings()
    heads: Annotated[dict[_HeadName, dict], Field(min_length=1)]
    evaluate: EvaluateSettings = EvaluateSettings()
    report: ReportSettings = ReportSettings()
    runtime: RuntimeSettings = RuntimeSettings()


@dataclass(frozen=True)
class HeadParams:
    """An entry of ``heads``.

    Attributes:
        model: the key of `HEADS`.
        task: the task's name.
        feature_set, corpus: what it reads: a feature set of a corpus, or of joined corpora.
        start: the weights it starts from.
        settings: the model's own parameters.
        training: the parameters of training, with the head's overrides and without ``auto``.
    """

    model: str
    task: str
    feature_set: str
    corpus: str
    start: str
    settings: HeadSettings
    training: TrainingSettings


@dataclass(frozen=True)
class Params:
    """params.yaml, parsed and checked once."""

    corpora: Mapping[str, CorpusSettings]
    tasks: Mapping[str, TaskSettings]
    features: Mapping[str, FeatureSettings]
    heads: Mapping[str, HeadParams]
    evaluate: EvaluateSettings
    runtime: RuntimeSettings

    def head(self, name: str) -> HeadParams:
        """A head by name.

        Raises:
            UserError: there is none.
        """
        return _lookup(self.heads, name, "heads")


def read_params() -> Params:
    """Read and check the whole of params.yaml.

    Raises:
        UserError: the first thing that is wrong, or all of them where they are of one kind.
    """
    return check_params(read_yaml())


def check_params(values: dict) -> Params:
    """Check parameters as they come out of the YAML file."""
    sections = parse(_Sections, values, "")
    _check_corpora(sections)
    for name in sections.tasks:
        _check_task(name, sections)
    heads = {name: _parse_head(name, entry, sections) for name, entry in sections.heads.items()}
    choose_references({name: head.task for name, head in heads.items()}, sections.report.references)
    return Params(
        corpora=sections.corpora,
        tasks=sections.tasks,
        features=sections.features,
        heads=heads,
        evaluate=sections.evaluate,
        runtime=sections.runtime,
    )


def _parts(corpus: str, sections: _Sections) -> list[str]:
    """The corpora that a name joins; a corpus itself."""
    return list(sections.joined.get(corpus, [corpus]))


def _check_corpora(sections: _Sections) -> None:
    for name, corpus in sections.corpora.items():
        for wanted in corpus.features if corpus.features != "all" else []:
            _lookup(sections.features, wanted, f"corpora.{name}.features", "feature set ")
    for name, corpora in sections.joined.items():
        if name in sections.corpora:
            raise UserError(f"params.yaml: joined.{name}: a corpus has this name, too; choose another one")
        for corpus in corpora:
            _lookup(sections.corpora, corpus, f"joined.{name}", "corpus ")


def _check_task(name: str, sections: _Sections) -> None:
    task, where = sections.tasks[name], f"tasks.{name}"
    _lookup({**sections.corpora, **sections.joined}, task.corpus, f"{where}.corpus", "corpus ")
    parts = _parts(task.corpus, sections)
    check_codes(name, task, {corpus: sections.corpora[corpus].reader for corpus in parts})
    if task.split.scheme == "corpus" and len(parts) < 2:
        raise UserError(
            f"params.yaml: {where}.split.scheme: corpus needs several corpora, and {task.corpus} is one. Join them: "
            f"joined: {{both: [{task.corpus}, ...]}}, and corpus: both"
        )
    for part in parts:
        if sections.corpora[part].concat and (why := task.split.divides_speakers):
            raise UserError(
                f"params.yaml: {where}.split: corpora.{part}.concat joins all that a speaker says with one "
                f"emotion, and {why}"
            )
    for corpora in task.split.named_corpora().values():
        for corpus in corpora:
            _lookup(dict.fromkeys(parts), corpus, f"{where}.split", f"corpus in {task.corpus} named ")


def _parse_head(name: str, entry: dict, sections: _Sections) -> HeadParams:
    """A head's own parameters and those of its training.

    Raises:
        UserError: no such model, an unknown parameter, a wrong value, a task or feature set that does not exist, or one
            of other corpora than the other.
    """
    where = f"heads.{name}"
    named = {key: entry[key] for key in _HeadSource.model_fields if key in entry}
    source = parse(_HeadSource, named, where)
    model = _lookup(HEADS, source.model, f"{where}.model", "model ")[0]
    overridable = set(TrainingSettings.model_fields)
    own = [key for key in model.model_fields if key not in _HeadSource.model_fields or key == "model"]
    for key in entry:
        if key not in overridable and key not in own and key not in named:
            known = [*_HeadSource.model_fields, *(key for key in own if key != "model"), *sorted(overridable)]
            raise UserError(
                f"params.yaml: {where}.{key}: unknown parameter{nearest(key, known)} (there are {', '.join(known)})"
            )
    settings = parse(model, {key: value for key, value in entry.items() if key in own}, where)
    overrides = {key: value for key, value in entry.items() if key in overridable}
    training = parse(TrainingSettings, sections.training.override(overrides), where)
    task = _lookup(sections.tasks, source.task, f"{where}.task", "task ")
    check_choices(training, bool(task.targets), where)
    training = settle(training, settings, bool(task.targets))
    feature_set, corpus = source.features.split("/")
    _lookup(sections.features, feature_set, f"{where}.features", "feature set ")
    _lookup({**sections.corpora, **sections.joined}, corpus, f"{where}.features", "corpus ")
    if corpus != task.corpus:
        raise UserError(
            f"params.yaml: {where}.features: {source.features} has features of {corpus}, and the task {source.task} is "
            f"one of {task.corpus}; use {feature_set}/{task.corpus}"
        )
    for part in _parts(corpus, sections):
        if not sections.corpora[part].wants(feature_set):
            raise UserError(
                f"params.yaml: {where}.features: corpora.{part}.features leaves {feature_set} out; add it there"
            )
    _check_layers(settings, sections.features[feature_set], feature_set, where)
    if training.copies == "all" and not sections.features[feature_set].clips.disturb:
        if "copies" in overrides:
            raise UserError(
                f"params.yaml: {where}.copies: features.{feature_set}.clips has no disturbed copies (disturb)"
            )
        training = training.model_copy(update={"copies": "clean"})  # of all heads, those on other sets
    if sections.features[feature_set].single_frame and (parameter := settings.needs_time):
        raise UserError(
            f"params.yaml: {where}.{parameter}: {getattr(settings, parameter)} keeps only what varies over time, and "
            f"clips of {feature_set} are a single frame; change it for this head"
        )
    return HeadParams(source.model, source.task, feature_set, corpus, source.start, settings, training)


def _check_layers(settings: HeadSettings, features: FeatureSettings, feature_set: str, where: str) -> None:
    if not (stored := features.known_layers()):
        return
    asked = settings.choose_layers(stored)
    if missing := sorted(set(asked) - set(stored)):
        raise UserError(
            f"params.yaml: {where}.layers: {', '.join(map(str, missing))} is not stored by features.{feature_set} "
            f"({stored})"
        )


def _set_and_corpus(name: str) -> str:
    if name.count("/") != 1 or not all(name.split("/")):
        raise ValueError("expected <feature set>/<corpus>, such as hubert/iemocap")
    return name


def _lookup(section: Mapping, name: str, where: str, kind: str = ""):
    if name not in section:
        known = f" (there are {', '.join(section)})" if section else ""
        raise UserError(f"params.yaml: {where}: there is no {kind}{name!r}{nearest(name, section)}{known}")
    return section[name]
