"""A preset and what it extends -> the text of a complete params.yaml, comments kept. The rules: presets/base.yaml."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from data.errors import UserError, nearest
from stages.params import invalid_yaml

EXTENDS, OMIT = "extends", "omit"
WHOLE = ("classes", "where", "exclude")  # mappings that are replaced as a whole

_BASE = "base"
_NAMED = ("corpora", "joined", "tasks", "features", "heads")  # sections of named entries
_LIKE, _DEFAULTS = "like", "defaults"
_COMMENT_COLUMN = 34
_COMMENT = re.compile(r"(?:^|\s)#\s?(.*)$")


@dataclass(frozen=True)
class Node:
    """A value of a YAML file, with its comment.

    Attributes:
        value: a scalar, a list, or key -> Node.
        comment: the lines beside it and below, without ``#``.
        inline: whether a mapping is written in braces.
    """

    value: Any
    comment: tuple[str, ...] = ()
    inline: bool = False

    @property
    def entries(self) -> dict[str, "Node"]:
        """Key -> node of a mapping; empty for any other value."""
        return self.value if isinstance(self.value, dict) else {}


@dataclass(frozen=True)
class Preset:
    """A preset as it is written, or composed.

    Attributes:
        name: of its file.
        description: its first comment, a line each.
        sections: section -> node.
        extends: the preset that it starts from.
    """

    name: str
    description: tuple[str, ...]
    sections: dict[str, Node] = field(default_factory=dict)
    extends: str | None = None


def compose(name: str, read: Callable[[str], str]) -> str:
    """The complete params.yaml of a preset.

    Args:
        name: of the preset.
        read: name -> text of its file; raises UserError if there is none.

    Raises:
        UserError: not valid YAML; presets or entries that name each other in a circle, or one that does not exist.
    """
    text = read(name)
    preset = parse_preset(name, text)
    if preset.extends is None:
        return text
    base = parse_preset(_BASE, read(_BASE))
    composed = _compose(preset, base, read, (name,))
    first, *further = preset.description
    head = [*base.description, f"This preset: {first}", *further]
    return "\n".join([*(f"# {line}".rstrip() for line in head), *_render(composed)]) + "\n"


@cache
def parse_preset(name: str, text: str) -> Preset:
    """Read a preset's file.

    Raises:
        UserError: not valid YAML, or no mapping.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    try:
        content = yaml.load(text)
    except YAMLError as error:
        raise invalid_yaml(f"presets/{name}.yaml", error) from None
    if not isinstance(content, dict):
        raise UserError(f"presets/{name}.yaml: expected sections such as corpora: and heads:.")
    lines = text.splitlines()
    sections = dict(_parse_mapping(content, lines))
    extends = sections.pop(EXTENDS, None)
    return Preset(name, tuple(_first_comment(lines)) or ("",), sections, extends and str(extends.value))


def _first_comment(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("#"):
            return
        yield line.lstrip("#").removeprefix(" ")


def _parse_mapping(content: CommentedMap, lines: list[str], inside: int = -1) -> Iterator[tuple[str, Node]]:
    """The entries of a mapping; ``inside`` is the line of the braces it is in, whose comment belongs to their key."""
    for key, value in content.items():
        number = content.lc.key(key)[0]
        comment = () if number == inside or content.fa.flow_style() else tuple(_comment_at(lines, number))
        if isinstance(value, CommentedMap):
            inline = bool(value.fa.flow_style())
            entries = dict(_parse_mapping(value, lines, number if inline else -1))
            yield str(key), Node(entries, comment, inline)
        else:
            yield str(key), Node(value, comment)


def _comment_at(lines: list[str], number: int) -> Iterator[str]:
    """The comment beside a line, and the indented comment lines below that go on with it."""
    if not (beside := _COMMENT.search(lines[number])):
        return
    yield beside[1]
    for line in lines[number + 1 :]:
        if not re.match(r"\s+#", line):
            return
        yield line.strip().lstrip("#").strip()


def _compose(preset: Preset, base: Preset, read: Callable[[str], str], chain: tuple[str, ...]) -> dict[str, Node]:
    """Section -> node of the complete parameters; ``chain`` are the presets that led here."""
    if preset.extends in chain:
        raise UserError(f"presets extend each other in a circle: {' -> '.join([*chain, preset.extends])}")
    if preset.extends == _BASE:
        below = base.sections
    else:
        parent = parse_preset(preset.extends, read(preset.extends))
        below = parent.sections if parent.extends is None else _compose(parent, base, read, (*chain, preset.extends))
    sections = dict(below)
    for name, node in preset.sections.items():
        if name in _NAMED and name in below:
            known = {**base.sections[name].entries, **below[name].entries}
            sections[name] = _compose_named(f"presets/{preset.name}.yaml: {name}", node, below[name], known)
        else:
            sections[name] = _merge(below.get(name), node)
    return sections


def _compose_named(where: str, section: Node, below: Node, known: dict[str, Node]) -> Node:
    """A section of named entries.

    Args:
        where: for errors.
        section: what the preset says.
        below: what it extends.
        known: name -> entry that an entry can start from.
    """
    own = dict(section.entries)
    defaults = own.pop(_DEFAULTS, Node({}))

    def resolve(name: str, seen: tuple[str, ...] = ()) -> Node:
        if name in seen:
            raise UserError(f"{where}: entries are like each other in a circle: {' -> '.join([*seen, name])}")
        entry = own.get(name, Node(None))
        if (model := entry.entries.get(_LIKE)) is None:
            return _merge(_merge(known.get(name), defaults), entry)
        if model.value not in {**known, **own}:
            raise UserError(
                f"{where}.{name}: {_LIKE}: there is no {model.value!r}{nearest(model.value, [*known, *own])}"
            )
        changes = {key: value for key, value in entry.entries.items() if key != _LIKE}
        start = replace(resolve(model.value, (*seen, name)), comment=())
        return _merge(start, replace(entry, value=changes))

    entries = {name: replace(resolve(name), inline=False) for name in own or below.entries}
    return Node(entries, section.comment or below.comment)


def _merge(below: Node | None, above: Node) -> Node:
    """One value over another; a mapping over a mapping key by key."""
    comment = above.comment or (below.comment if below else ())
    if below is None or not below.entries:
        if isinstance(above.value, dict):
            return replace(above, value=_without_omitted(above.value), comment=comment)
        return replace(above, comment=comment)
    if above.value is None:
        return replace(below, comment=comment)
    if not isinstance(above.value, dict):
        return replace(above, comment=comment)
    merged = dict(below.value)
    for key, node in above.value.items():
        if key in WHOLE:
            old = merged.get(key, node)
            inline = old.inline if old.value else node.inline
            merged[key] = Node(node.value, node.comment or old.comment, inline)
        else:
            merged[key] = _merge(merged.get(key), node)
    return Node(_without_omitted(merged), comment, below.inline)


def _without_omitted(entries: dict[str, Node]) -> dict[str, Node]:
    return {key: node for key, node in entries.items() if node.value != OMIT}


def _render(sections: dict[str, Node]) -> Iterator[str]:
    for name, node in sections.items():
        yield ""
        yield from _render_node(name, node, "", set())


def _render_node(key: str, node: Node, indent: str, shown: set[tuple]) -> Iterator[str]:
    """The lines of a key; comments that are in ``shown`` for the same key are left out."""
    block = bool(node.entries) and not node.inline
    rows = node.value if isinstance(node.value, list) and any(isinstance(row, dict) for row in node.value) else []
    line = f"{indent}{inline(key)}:" + ("" if block or rows else f" {inline(plain(node))}")
    comment = () if (key, node.comment) in shown else node.comment
    shown.add((key, node.comment))
    if comment:
        line = line.ljust(_COMMENT_COLUMN) if len(line) < _COMMENT_COLUMN - 1 else f"{line}   "
        line += f"# {comment[0]}"
    yield line
    yield from (f"{'':{_COMMENT_COLUMN}}# {further}" for further in comment[1:])
    yield from (f"{indent}  - {inline(dict(row))}" for row in rows)
    if block:
        for name, entry in node.value.items():
            yield from _render_node(name, entry, f"{indent}  ", shown)


def plain(node: Node) -> Any:
    """A node as YAML's own types, without comments."""
    if isinstance(node.value, dict):
        return {key: plain(entry) for key, entry in node.value.items()}
    return list(node.value) if isinstance(node.value, list) else node.value


class _Representer(RoundTripRepresenter):
    """Writes null as such."""


_Representer.add_representer(
    type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
)


@cache
def _writer() -> YAML:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.default_flow_style, yaml.width = True, 1_000_000
    return yaml


def inline(value: Any) -> str:
    """A value on one line, with the quotes and digits it came with."""
    stream = io.StringIO()
    _writer().dump({"v": value}, stream)
    return stream.getvalue().strip().removeprefix("{v: ").removesuffix("}")
