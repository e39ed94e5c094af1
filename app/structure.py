"""What DVC itself needs of params.yaml: without it `dvc repro` stops while it parses dvc.yaml, in DVC's own words."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from data.errors import UserError
from stages.params import is_valid_key

_KEYS = {  # section of named entries -> what dvc.yaml uses of each
    "corpora": ["features"],
    "joined": [],
    "tasks": ["corpus"],
    "features": ["clips"],
    "heads": ["model", "task", "features", "start"],
}
_PLAIN = ["training", "evaluate", "report"]
_FOR_STAGES = ["corpora", "joined", "tasks", "features"]  # DVC joins these names with hyphens


def check_structure(values: dict) -> None:
    """Check that DVC can make its stages of params.yaml; the values themselves are not judged.

    Args:
        values: as they come out of the YAML file.

    Raises:
        UserError: everything that is missing or misplaced, a line each.
    """
    if problems := list(_problems(values)):
        raise UserError("\n".join(f"params.yaml: {problem}" for problem in problems))


def _problems(values: dict) -> Iterator[str]:
    sections = [*_KEYS, *_PLAIN]
    unknown = [key for key in values if key not in [*sections, "runtime"]]
    for section in sections:
        if section not in values:
            empty = "" if _KEYS.get(section) else f", at least as {section}: {{}}"
            yield f"{section}: this section is missing{_misspelt(section, unknown)}; dvc.yaml needs it{empty}"
        elif section in _KEYS and not isinstance(values[section], dict):
            yield f"{section}: expected names, each with its parameters, not {_described(values[section])}"
        elif section in _KEYS:
            for name, entry in values[section].items():
                yield from _problems_of_entry(section, name, entry, values)


def _problems_of_entry(section: str, name: Any, entry: Any, values: dict) -> Iterator[str]:
    where = f"{section}.{name}"
    if section in _FOR_STAGES and not (isinstance(name, str) and is_valid_key(name)):
        yield (
            f"{where}: use letters, digits and underscores only for names in {section}. DVC builds stage "
            "names from them, joined by hyphens, and could not tell a-b with c from a with b-c"
        )
    if section == "joined":
        return
    if not isinstance(entry, dict):
        yield f"{where}: expected parameters ({', '.join(_KEYS[section])}, ...), not {_described(entry)}"
        return
    for key in _KEYS[section]:
        if key not in entry:
            yield f"{where}.{key}: is missing{_misspelt(key, entry)}; {_example(section, key, values)}"
        elif key == "corpus" and not isinstance(entry[key], str):
            yield f"{where}.{key}: expected one name, not {_described(entry[key])}; to use several corpora, join them"


def _misspelt(key: str, found: Iterable) -> str:
    close = difflib.get_close_matches(key, [str(name) for name in found], n=1, cutoff=0.7)
    return f" (there is {close[0]!r})" if close else ""


def _example(section: str, key: str, values: dict) -> str:
    def names(of: str) -> list[str]:
        return list(map(str, values.get(of) or [])) if isinstance(values.get(of), dict | list) else []

    if section == "corpora":
        return "write features: all, or a list of feature sets"
    if section == "features":
        return "write clips: with sample_rate and seconds"
    if key == "corpus":
        return f"one of {', '.join([*names('corpora'), *names('joined')]) or 'corpora'}"
    if key == "task":
        return f"one of {', '.join(names('tasks')) or 'tasks'}"
    if key == "features":
        example = "/".join((names(of) or [of])[0] for of in ("features", "corpora"))
        return f"a feature set and a corpus, such as {example}"
    return {"model": "such as model: gru", "start": "write start: scratch"}[key]


def _described(value: Any) -> str:
    kinds = {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "nothing" if value is None else kinds.get(type(value), "this")
