"""The parameters of the report."""

from data.settings import Settings


class ReportSettings(Settings):
    """``report``: what is shown of evaluations that are there.

    Attributes:
        reference: the head that the others of its task are compared with, or several, one per task; null, and tasks
            for which none is named, take the task's first head.
        examples: ids of test utterances whose attention is drawn; none: two correct ones and two wrong ones.
        waveforms: draw the examples' waveforms, from artifacts/clips. The report then holds licensed material.
    """

    reference: str | list[str] | None = None
    examples: list[str] = []
    waveforms: bool = False

    @property
    def references(self) -> list[str]:
        """The heads that are named, at most one per task."""
        if self.reference is None:
            return []
        return [self.reference] if isinstance(self.reference, str) else self.reference
