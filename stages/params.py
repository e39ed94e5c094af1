"""params.yaml -> typed parameters, with errors a person can act on."""

import math
import re
from pathlib import Path
from typing import Annotated, get_args, get_origin

from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from data.errors import UserError, nearest

PARAMS_FILE = Path("params.yaml")

_MOST_VALUES = 1_000_000


def is_valid_key(name: str) -> bool:
    """Whether DVC can build stage names from a name, joined with others by hyphens."""
    return re.fullmatch(r"[A-Za-z0-9_]+", name) is not None


def _valid_key(name: str) -> str:
    if not is_valid_key(name):
        raise ValueError(
            "use letters, digits and underscores only: DVC builds stage names from them, joined by hyphens"
        )
    return name


def _several(corpora: list[str]) -> list[str]:
    if len(set(corpora)) < max(2, len(corpora)):
        raise ValueError("expected two or more different corpora")
    return corpora


Key = Annotated[str, AfterValidator(_valid_key)]  # of corpora, joined, tasks and feature sets
Corpora = Annotated[list[str], AfterValidator(_several)]


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
        raise invalid_yaml(str(path), error) from None
    except (RecursionError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected sections such as corpora: and heads:.")
    if _num_values(content, {}) > _MOST_VALUES:
        raise UserError(f"{path}: more than {_MOST_VALUES:,} values, as anchors and aliases repeat them.")
    return content


def _num_values(content, known: dict[int, float]) -> float:
    """How many values there are, if all that aliases repeat is written out; infinitely many in a circle."""
    if not isinstance(content, dict | list):
        return 1
    if id(content) not in known:
        known[id(content)] = math.inf
        parts = content.values() if isinstance(content, dict) else content
        known[id(content)] = 1 + sum(_num_values(part, known) for part in parts)
    return known[id(content)]


def invalid_yaml(file: str, error: YAMLError) -> UserError:
    """What to raise where a file is not valid YAML: naming the line."""
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    return UserError(f"{file}{where}: not valid YAML: {getattr(error, 'problem', None) or error}")


def read_section(name: str, model):
    """One section of params.yaml, for stages that need no more (and need not wait for torch).

    Args:
        name: its keys, joined by dots: ``evaluate``, ``tasks.emotions``.
        model: of its parameters, or any other type that pydantic can validate.

    Raises:
        UserError: naming the key, the value, and the nearest valid name.
    """
    values, where = read_yaml(), []
    for key in name.split("."):
        section = ".".join(where) or "the file"
        where.append(key)
        if not isinstance(values, dict) or key not in values:
            if len(where) == 1:
                values = {}
                continue
            names = f" (there are {', '.join(values)})" if isinstance(values, dict) else ""
            raise UserError(f"params.yaml: {section}: there is no {key!r}{nearest(key, values)}{names}")
        values = values[key]
    return parse(model, values, name)


def parse(model, values, where: str):
    """Validate values against a model, or another type; ``where`` is their key in params.yaml."""
    try:
        return TypeAdapter(model).validate_python(values)
    except ValidationError as error:
        raise UserError(explain(error, model, where)) from None


def explain(error: ValidationError, model, where: str = "") -> str:
    """All problems of a validation, a line each: the key, the value, what is wrong, the nearest valid name."""
    lines = []
    for problem in error.errors(include_url=False):
        names, fields = _steps(model, problem["loc"])
        path = [part for part in (where, *names) if part and not _is_internal(part)]
        if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
            path.append(_discriminator(problem))
        lines.append(f"params.yaml: {'.'.join(path)}: {_what(problem, fields)}")
    return "\n".join(dict.fromkeys(lines))


def _what(problem: dict, valid: list[str]) -> str:
    """What is wrong, given the names of the fields that there are beside the one concerned."""
    if problem["type"] == "extra_forbidden":
        return f"unknown parameter{nearest(problem['loc'][-1], valid)} (there are {', '.join(valid)})"
    if problem["type"] in ("missing", "union_tag_not_found"):
        return "is missing"
    if problem["type"] == "union_tag_invalid":
        tag, tags = problem["ctx"]["tag"], problem["ctx"]["expected_tags"].replace("'", "").split(", ")
        return f"no {_discriminator(problem)} {tag!r}{nearest(tag, tags)} (there are {', '.join(tags)})"
    message = re.sub(r"^(Value error|Assertion failed), ", "", problem["msg"])
    message = message[0].lower() + message[1:]
    return message if isinstance(problem["input"], dict) else f"{problem['input']!r}: {message}"


def _discriminator(problem: dict) -> str:
    """The field that chooses a model from a union: ``kind`` of features, ``reader`` of corpora."""
    return problem["ctx"]["discriminator"].strip("'")


def _steps(model, location: tuple) -> tuple[list[str], list[str]]:
    """A location without the tags that pydantic puts in to say which model of a union it chose.

    Returns:
        The location's names, and the names of the fields beside its last one.
    """
    names, models, fields = [], _models_in(model), []
    keyed = _is_dictionary(model)  # whether the next step is a key, which may have the name of a tag
    for step in location:
        tagged = [candidate for candidate in models if len(models) > 1 and step in _tags(candidate)]
        if tagged and not keyed:
            models = tagged
            continue
        names.append(str(step))
        fields = [name for candidate in models for name in candidate.model_fields]
        owners = [candidate for candidate in models if step in candidate.model_fields]
        if owned := owners and not keyed:
            annotation = owners[0].model_fields[step].annotation
            models = _models_in(annotation)
        keyed = owned and _is_dictionary(annotation)
    return names, list(dict.fromkeys(fields))


def _models_in(annotation) -> list[type[BaseModel]]:
    """The models that an annotation is made of: itself, or the members of its unions, lists and dictionaries."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _is_dictionary(annotation) -> bool:
    """Whether an annotation is a dictionary's, perhaps with conditions."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_origin(annotation) is dict


def _tags(model: type[BaseModel]) -> tuple:
    """The values of ``kind`` or ``reader`` by which a model is chosen from a union."""
    return tuple(
        tag
        for name in ("kind", "reader")
        if name in model.model_fields
        for tag in get_args(model.model_fields[name].annotation)
    )


def _is_internal(part: str) -> bool:
    """Pydantic's own names within a location, such as ``list[constrained-int]``."""
    return "[" in part or part.startswith(("function-", "literal", "is-instance"))
