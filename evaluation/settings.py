"""The parameters of evaluation."""

from typing import Annotated

from pydantic import Field

from data.settings import Settings


class EvaluateSettings(Settings):
    """``evaluate``.

    Attributes:
        bootstrap: resamples for each interval.
        seed: of the resampling, of the probe's cross-validation and of t-SNE.
    """

    bootstrap: Annotated[int, Field(ge=100)] = 2000
    seed: Annotated[int, Field(ge=0)] = 1
