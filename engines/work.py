"""What an engine runs: a piece of work that is given tasks, in any number of processes, in any order."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
Report = Callable[[int], None]


class Work(ABC, Generic[Task, Result]):
    """What to do with a task. Every process has a copy of its own, and results do not depend on which one does what.

    It can be pickled, and is small or keeps what is big as tensors, which processes share.

    Attributes:
        place: the number of the process that this copy is in, from 0; the engine sets it before `open`. A process that
            takes the place of one that was killed has its number.
    """

    place: int = 0

    def open(self) -> None:
        """Load what is heavy; called once in every process, before its first task."""

    @abstractmethod
    def do(self, task: Task, report: Report) -> Result:
        """Do one task.

        A task whose process is killed is done again, so that what an unfinished one has left behind must not matter.

        Args:
            task: its ``str`` names it in messages.
            report: called with the number of units (clips, epochs) that have been done since the last call.

        Raises:
            UserError: it stops all other tasks, too.
        """
