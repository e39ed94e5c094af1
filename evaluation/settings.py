"""The parameters of evaluation."""

from typing import Annotated

from pydantic import Field

from data.settings import Settings


class EvaluateSettings(Settings):
    """``evaluate``.

    Attributes:
        bootstrap: resamples for each interval.
        seed: of the resampling, of the probe's cross-validation and of t-SNE.
        reference: the head that all others are compared with; null takes the first one.
        examples: ids of test utterances whose attention the report draws; none: it chooses right and wrong ones itself.
        waveforms: draw the examples' waveforms, from artifacts/clips. The report then holds licensed material.
    """

    bootstrap: Annotated[int, Field(ge=100)] = 2000
    seed: Annotated[int, Field(ge=0)] = 1
    reference: str | None = None
    examples: list[str] = []
    waveforms: bool = False
