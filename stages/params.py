"""params.yaml -> typed parameters, with errors a person can act on."""

import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from data.errors import UserError
from data.manifest import nearest

PARAMS_FILE = Path("params.yaml")


def read_yaml(path: Path = PARAMS_FILE) -> dict:
    """Read params.yaml the way DVC does (YAML 1.2).

    Raises:
        UserError: it is missing, or no YAML.
    """
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise UserError(f"there is no {path}. Run this in the project's folder; `ser preset demo` makes one.") from None
    except YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}" if place else ""
        raise UserError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected sections such as corpus: and heads:.")
    return content


def read_section(name: str, model: type[BaseModel]):
    """One section of params.yaml, for stages that need no more (and need not wait for torch).

    Raises:
        UserError: naming the key, the value, and the nearest valid name.
    """
    return parse(model, read_yaml().get(name, {}), name)


def parse(model: type[BaseModel], values, where: str):
    """Validate values against a model; ``where`` is their place in params.yaml."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(error, model, where)) from None


def explain(error: ValidationError, model, where: str = "") -> str:
    """All problems of a validation, a line each: the key, the value, what is wrong, the nearest valid name."""
    lines = []
    for problem in error.errors(include_url=False):
        path = [where, *map(str, problem["loc"])] if where else list(map(str, problem["loc"]))
        path = [part for part in path if part and not _is_internal(part)]
        lines.append(f"params.yaml: {'.'.join(path)}: {_what(problem, model)}")
    return "\n".join(dict.fromkeys(lines))


def _what(problem: dict, model) -> str:
    if problem["type"] == "extra_forbidden":
        valid = _fields_at(model, problem["loc"][:-1])
        return f"unknown parameter{nearest(problem['loc'][-1], valid)} (there are {', '.join(valid)})"
    if problem["type"] == "missing":
        return "is missing"
    message = re.sub(r"^(Value error|Assertion failed), ", "", problem["msg"])
    message = message[0].lower() + message[1:]
    return message if isinstance(problem["input"], dict) else f"{problem['input']!r}: {message}"


def _fields_at(model, location: tuple) -> list[str]:
    """The names of a model's fields, some steps down."""
    for step in location:
        fields = getattr(model, "model_fields", {})
        annotation = fields[step].annotation if step in fields else model
        candidates = [annotation, *get_args(annotation)]
        model = next((each for each in candidates if hasattr(each, "model_fields")), model)
    return list(getattr(model, "model_fields", {}))


def _is_internal(part: str) -> bool:
    """Pydantic's own names within a location, such as ``list[constrained-int]``."""
    return "[" in part or part.startswith(("function-", "literal", "is-instance"))
