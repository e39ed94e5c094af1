"""The base of every typed parameter model: strict, immutable, no unknown keys."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Parameters of one part, as they stand in params.yaml.

    Unknown keys and wrong types are errors: a misspelt parameter must never be ignored.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
