"""What runs on a node of a Ray cluster: a process that keeps a `Work` open and does one task after another.

Ray sends this class by value, and it imports nothing of the project before it has looked for it: a node that does not
see the project's folder can say so.
"""

import os
import pickle
import socket
import sys


class Node:
    """One process of a node; an actor of Ray, which is asked in a thread of its own how far it is.

    Its answers are the node's name, how many units of the task are done, the result, and what went wrong.
    """

    def __init__(self):
        self._name, self._work, self._units = socket.gethostname(), None, 0

    def open(self, card: dict, work: bytes) -> tuple:
        """Go to the project, and open the work there.

        Args:
            card: `engines.same_project.visiting_card` of the machine where the stage runs.
            work: pickled.
        """
        os.environ.update(card["environment"])
        if not os.path.isfile(card["token"]):
            return self._answer(
                error=f"node {self._name} does not see {card['folder']}. All nodes of the Ray cluster need the project "
                "at the same path, on a file system that they share."
            )
        os.chdir(card["folder"])
        sys.path[:0] = [path for path in card["path"] if path not in sys.path]
        try:
            from engines.local import keep_to_one_thread
            from engines.same_project import differing_version

            keep_to_one_thread()
            if difference := differing_version(card["versions"]):
                return self._answer(error=f"node {self._name} {difference}")
            self._work = pickle.loads(work)
            self._work.open()
        except Exception as error:
            return self._answer(error=error)
        return self._answer()

    def do(self, task: bytes) -> tuple:
        """Do a task."""
        self._units = 0
        try:
            return self._answer(self._work.do(pickle.loads(task), self._report))
        except Exception as error:
            return self._answer(error=error)

    def here(self) -> tuple:
        """Say that this process is still there."""
        return self._answer()

    def units(self) -> int:
        """How many units of the current task are done."""
        return self._units

    def _report(self, count: int) -> None:
        self._units += count

    def _answer(self, result=None, error: Exception | str | None = None) -> tuple:
        if isinstance(error, Exception):
            from engines.local import sendable

            error = sendable(error)
        return self._name, self._units, result, error
