"""Heads on disturbed copies of their test utterances, side by side, beside the clean ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.copy_names import parse_copy_name
from evaluation.results import CopyScores, Details, Interval
from report import figures
from report.figures import Panel

_TITLES = {"room": "room", "codec": "codec", "speed": "speed", "gain": "gain"}
_UNITS = {"noise": "{:g} dB", "speed": "{:g}", "gain": "{:+g} dB"}
_CLEAN = {"speed": 1.0, "gain": 0.0}  # the strength at which nothing changes


@dataclass(frozen=True)
class Level:
    """One strength of a disturbance.

    Attributes:
        label: such as ``5 dB``.
        by_head: head -> its scores on the copies; heads whose features have none are left out.
    """

    label: str
    by_head: dict[str, CopyScores]


@dataclass(frozen=True)
class DisturbanceGroup:
    """One disturbance at all its strengths.

    Attributes:
        title: such as ``white noise``.
        is_scale: whether its levels are strengths, in order from weak to strong or from low to high.
        levels: in that order; None for the clean utterances, in their place among them.
    """

    title: str
    is_scale: bool
    levels: list[Level | None]


@dataclass(frozen=True)
class Robustness:
    """What the report shows of disturbed copies.

    Attributes:
        heads: those that were tested on copies.
        groups: the disturbances, in the order of params.yaml.
    """

    heads: list[Details]
    groups: list[DisturbanceGroup]

    @property
    def trained_on(self) -> dict[str, str]:
        """Head -> the copies that it was trained on."""
        return {head.head: trained_on(head) for head in self.heads}

    def figure(self, colours: Mapping[str, str]) -> str:
        """UA by disturbance and strength, solid where a head was trained on disturbed copies: SVG."""
        panels = [
            Panel(
                title=group.title,
                labels=["clean" if level is None else level.label for level in group.levels],
                is_scale=group.is_scale,
                by_head={head.head: [_ua(head, level) for level in group.levels] for head in self.heads},
            )
            for group in self.groups
        ]
        return figures.robustness(panels, {head: copies == "all" for head, copies in self.trained_on.items()}, colours)


def robustness(heads: Sequence[Details]) -> Robustness | None:
    """The disturbed copies that any of some heads was tested on; None where there are none."""
    tested = [head for head in heads if head.robustness]
    if not tested:
        return None
    names: dict[str, dict[str, None]] = {}
    for head in tested:
        for copy in head.robustness:
            names.setdefault(_title(copy.name), {})[copy.name] = None
    by_head = {head.head: {copy.name: copy for copy in head.robustness} for head in tested}
    return Robustness(tested, [_group(title, list(copies), by_head) for title, copies in names.items()])


def trained_on(head: Details) -> str:
    """The copies that a head was trained on: ``clean`` or ``all``."""
    return head.training.parameters.get("copies", "clean")


def _ua(head: Details, level: Level | None) -> Interval | None:
    if level is None:
        clean = head.metrics["ua"]
        return Interval(value=clean.mean, low=clean.low, high=clean.high)
    return level.by_head[head.head].metrics["ua"] if head.head in level.by_head else None


def _group(title: str, names: list[str], by_head: Mapping[str, dict[str, CopyScores]]) -> DisturbanceGroup:
    parsed = {name: parse_copy_name(name) for name in names}
    kind, strengths = next(iter(parsed.values())).kind, [copy.strength for copy in parsed.values()]
    is_scale = None not in strengths
    if is_scale:
        names = sorted(names, key=lambda name: parsed[name].strength, reverse=kind == "noise")
    levels = [_level(name, by_head) for name in names]
    clean = sum(strength < _CLEAN[kind] for strength in strengths) if kind in _CLEAN else 0
    return DisturbanceGroup(title, is_scale, [*levels[:clean], None, *levels[clean:]])


def _level(name: str, by_head: Mapping[str, dict[str, CopyScores]]) -> Level:
    copy = parse_copy_name(name)
    label = copy.what if copy.strength is None else _UNITS[copy.kind].format(copy.strength)
    return Level(label, {head: copies[name] for head, copies in by_head.items() if name in copies})


def _title(name: str) -> str:
    copy = parse_copy_name(name)
    return _TITLES.get(copy.kind) or f"{copy.what} noise"
