"""`ser grid`: every combination of some corpora, feature sets and heads as one complete params.yaml.

It writes a preset as a person would, and composes it. What a corpus's own preset says of its classes, folds, training
and heads goes before presets/base.yaml. The recipe of a head on a feature set is the same on all corpora, so that the
report can rank it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from app.composition import OMIT, WHOLE, compose, inline, parse_preset, plain
from app.presets import BASE, preset_names, preset_text
from data.errors import UserError, nearest

MANY_STAGES = 100  # above, every DVC command is slow to start

_HEADS_COMMENT = "every head on every feature set of every corpus"
_SEEDS = [1, 2, 3]  # with one seed, no difference between heads can be significant
_OF_SEVERAL_LAYERS, _OF_ONE_LAYER = "weighted_layers", "frame_mlp"
_NOT_OVER_TIME = ("linear", _OF_SEVERAL_LAYERS, _OF_ONE_LAYER)  # heads that make sense of a single frame
_MEASURED = ((0, 0.0, 0.0), (47, 4.0, 4.0), (182, 8.0, 14.0))  # stages; fewest and most seconds that DVC took

Values = dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """A grid of heads.

    Attributes:
        preset: its short form, as a file in presets/.
        text: the complete params.yaml.
        heads: their names.
        notes: sentences on heads that stand in for others, or are left out.
        num_stages: that DVC makes of it.
    """

    preset: str
    text: str
    heads: list[str]
    notes: list[str]
    num_stages: int

    @property
    def seconds(self) -> str:
        """How long DVC needs to read it, before any stage runs."""
        low, high = (round(seconds) for seconds in _reading_seconds(self.num_stages))
        return f"{low} s" if low == high else f"{low} to {high} s"


@dataclass(frozen=True)
class _Protocol:
    """What a preset says of the one corpus that it has."""

    corpus: str
    values: Values

    @property
    def task(self) -> Values:
        return next(task for task in self.values["tasks"].values() if task["corpus"] == self.corpus)


@dataclass
class _Recipes:
    """What the corpora's presets, the first before the others, and then the base say of feature sets and heads."""

    base: Values
    protocols: Sequence[_Protocol]
    sources: list[Values] = field(init=False)

    def __post_init__(self) -> None:
        self.sources = [*(protocol.values for protocol in self.protocols), self.base]

    def features(self) -> dict[str, Values]:
        """Name -> feature set."""
        return {name: entry for values in self.sources[::-1] for name, entry in values["features"].items()}

    def head(self, model: str, feature_set: str) -> Values:
        """What a head of this model on this set has that differs from the base's head of the model."""
        for values in self.sources[:-1]:
            for head in values["heads"].values():
                if head["model"] == model and head["features"].startswith(f"{feature_set}/"):
                    own = {key: value for key, value in head.items() if key not in ("task", "features")}
                    return _changes(own, self.base["heads"][model], ignored=("task", "features"))
        entry = self.features()[feature_set]
        whole_utterance = _is_one_vector(entry) or "checkpoint" in entry
        return {"statistics": ["mean", "deviation"]} if model == "linear" and not whole_utterance else {}


def make_grid(corpora: Sequence[str], features: Sequence[str], heads: Sequence[str], description: str = "") -> Grid:
    """Every head on every feature set of every corpus.

    Args:
        corpora: each has a preset of its own.
        features: sets of presets/base.yaml or of the corpora's presets.
        heads: of presets/base.yaml, by model.
        description: the comment at the head of the file, a line or several; by default the lists.

    Raises:
        UserError: an empty list, or a name that does not exist, with the nearest that does.
    """
    base, known = _values(BASE), _protocols()
    protocols = [known[name] for name in _known(corpora, known, "--corpora", "corpus with a preset")]
    recipes = _Recipes(base, protocols)
    sets = {
        name: recipes.features()[name] for name in _known(features, recipes.features(), "--features", "feature set")
    }
    wanted, notes = _combinations(sets, _known(heads, base["heads"], "--heads", "head"))
    overlay = {
        "corpora": {
            own.corpus: _entry(own.values["corpora"][own.corpus], base["corpora"], own.corpus) for own in protocols
        },
        "tasks": {
            own.corpus: {"like": "emotions", **_changes(own.task, base["tasks"]["emotions"])} for own in protocols
        },
        "features": {name: _entry(entry, base["features"], name) for name, entry in sets.items()},
        "training": {**_changes(protocols[0].values["training"], base["training"]), "seeds": _SEEDS},
        "heads": {
            f"{own.corpus}_{feature_set}_{model}": {
                "like": model,
                "task": own.corpus,
                "features": f"{feature_set}/{own.corpus}",
                **_own_training(own, protocols[0]),
                **recipes.head(model, feature_set),
            }
            for own in protocols
            for feature_set, model in wanted
        },
    }
    listed = f"A grid: {', '.join(corpora)}; {', '.join(features)}; {', '.join(heads)}."
    head = [f"# {line}" for line in description.splitlines() or wrap(listed, 110)]
    preset = "\n".join([*head, f"extends: {BASE}", *_lines(overlay)]) + "\n"
    text = compose("grid", lambda name: preset if name == "grid" else preset_text(name))
    return Grid(preset, text, list(overlay["heads"]), notes, count_stages(overlay))


def count_stages(values: Mapping[str, Any]) -> int:
    """How many stages DVC makes of parameters."""
    joined, sets = len(values.get("joined", ())), len(values["features"])
    corpora, tasks, heads = (len(values[name]) for name in ("corpora", "tasks", "heads"))
    return 3 + corpora + joined + tasks + (2 * corpora + joined) * sets + 2 * heads


def _combinations(sets: Mapping[str, Values], heads: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """(feature set, model) of every head that makes sense, and notes on those that do not."""
    wanted: dict[tuple[str, str], None] = {}
    notes = []
    for name, entry in sets.items():
        for model in heads:
            chosen = model
            if model == _OF_SEVERAL_LAYERS and not _has_several_layers(entry):
                chosen = _OF_ONE_LAYER
                notes.append(f"{name} has a single layer: {_OF_ONE_LAYER} takes the place of {model}.")
            if _is_one_vector(entry) and chosen not in _NOT_OVER_TIME:
                notes.append(f"{name} is one vector per utterance, so {model} is left out.")
                continue
            wanted[name, chosen] = None
    return list(wanted), notes


def _has_several_layers(entry: Values) -> bool:
    layers = entry.get("layers") or []
    return layers == "all" or len(layers) > 1


def _is_one_vector(entry: Values) -> bool:
    return entry.get("level") == "functionals" or entry.get("frame_rate", "frames") is None


def _own_training(own: _Protocol, first: _Protocol) -> Values:
    """What a corpus's preset says of training, where it differs from that of the grid."""
    changes = _changes(own.values["training"], first.values["training"])
    return {key: value for key, value in changes.items() if key != "seeds"}


def _entry(entry: Values, known: Mapping[str, Values], name: str) -> Values | None:
    """What a preset says of an entry: only what the base does not."""
    return _changes(entry, known.get(name, {})) or None


def _changes(entry: Values, below: Mapping[str, Any], ignored: Sequence[str] = ()) -> Values:
    """What has to be said of an entry that starts from another one."""
    changes = {key: OMIT for key in below if key not in entry and key not in ignored}
    for key, value in entry.items():
        if key not in below or value != below[key]:
            nested = isinstance(value, dict) and isinstance(below.get(key), dict) and key not in WHOLE
            changes[key] = _changes(value, below[key]) if nested else value
    return changes


def _lines(overlay: Mapping[str, Values]) -> Iterator[str]:
    for section, entries in overlay.items():
        yield ""
        if section == "training":
            yield f"training: {inline(entries)}"
            continue
        yield f"{section}:" + (f"   # {_HEADS_COMMENT}" if section == "heads" else "")
        yield from (f"  {name}:" + (f" {inline(entry)}" if entry else "") for name, entry in entries.items())


def _known(names: Sequence[str], known: Iterable[str], option: str, kind: str) -> list[str]:
    """The names, each once, if all of them are known."""
    if not names:
        raise UserError(f"{option}: name at least one {kind} (there are {', '.join(known)})")
    for name in names:
        if name not in known:
            raise UserError(f"{option}: no {kind} {name!r}{nearest(name, known)} (there are {', '.join(known)})")
    return list(dict.fromkeys(names))


def _protocols() -> dict[str, _Protocol]:
    """Corpus -> what the preset of its name says of it, or else the first preset that has this corpus alone."""
    found: dict[str, _Protocol] = {}
    for preset in preset_names():
        with suppress(UserError, KeyError):  # somebody's preset that is not finished yet
            values = _values(preset)
            (corpus,) = values["corpora"] if len(values["corpora"]) == 1 else (None,)
            if corpus and (corpus == preset or corpus not in found):
                found[corpus] = _Protocol(corpus, values)
    return found


def _values(preset: str) -> Values:
    """The parameters of a preset, with the quotes that they are written with."""
    sections = parse_preset(preset, preset_text(preset)).sections
    return {name: plain(node) for name, node in sections.items()}


def _reading_seconds(stages: int) -> tuple[float, float]:
    """The fewest and most seconds that DVC needs to read this many stages, on the line through what was measured."""
    below, above = _MEASURED[:2] if stages <= _MEASURED[1][0] else _MEASURED[1:]
    share = (stages - below[0]) / (above[0] - below[0])
    return tuple(start + share * (end - start) for start, end in zip(below[1:], above[1:], strict=True))
