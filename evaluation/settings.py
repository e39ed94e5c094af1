"""The parameters of evaluation."""

from typing import Annotated

from pydantic import Field

from data.settings import Settings


class EvaluateSettings(Settings):
    """``evaluate``.

    Attributes:
        bootstrap: resamples of the speakers for each interval.
        seed: of the resampling.
    """

    bootstrap: Annotated[int, Field(ge=100)] = 2000
    seed: int = 1
