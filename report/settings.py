"""The parameters of the report."""

from collections.abc import Mapping, Sequence

from data.errors import UserError, nearest
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


def choose_references(tasks: Mapping[str, str], references: Sequence[str]) -> dict[str, str]:
    """Task -> the head that its others are compared with: the one that is named, else the first.

    Args:
        tasks: head -> its task, in the order of the heads.
        references: the heads that are named.

    Raises:
        UserError: a head that is not among them, or two of one task.
    """
    named: dict[str, str] = {}
    for head in references:
        if head not in tasks:
            raise UserError(
                f"params.yaml: report.reference: there is no head {head!r}{nearest(head, tasks)} "
                f"(there are {', '.join(tasks)})"
            )
        if (other := named.setdefault(tasks[head], head)) != head:
            raise UserError(
                f"params.yaml: report.reference: {other} and {head} are heads of one task, {tasks[head]}; name one"
            )
    first: dict[str, str] = {}
    for head, task in tasks.items():
        first.setdefault(task, head)
    return {**first, **named}
