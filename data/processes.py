"""Processes that do not outlive their purpose."""

import os
import threading
import time


def end_with_parent(parent: int, poll_seconds: float = 0.5) -> None:
    """End this process when the one that started it ends, however it ends.

    A killed `dvc` leaves its stage running, a killed stage its workers; out of sight.

    Args:
        parent: its process id, read early: after slow imports it may be gone already.
        poll_seconds: how often to look.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll_seconds)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
