"""The parameters of the report."""

from data.settings import Settings


class ReportSettings(Settings):
    """``report``: what is shown of evaluations that are there.

    Attributes:
        reference: the head that all others are compared with; null takes the first one.
        examples: ids of test utterances whose attention is drawn; none: two correct ones and two wrong ones.
        waveforms: draw the examples' waveforms, from artifacts/clips. The report then holds licensed material.
    """

    reference: str | None = None
    examples: list[str] = []
    waveforms: bool = False
