"""The base of every typed parameter model: strict, immutable, no unknown keys."""

from pydantic import BaseModel, ConfigDict


def distinct(values: list) -> list:
    """The values themselves; a validator.

    Raises:
        ValueError: a value is listed twice.
    """
    if duplicates := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"duplicate values: {', '.join(map(str, duplicates))}")
    return values


class Settings(BaseModel):
    """Parameters of one part, as they are in params.yaml.

    Unknown keys and wrong types are errors: a misspelt parameter must never be ignored.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
