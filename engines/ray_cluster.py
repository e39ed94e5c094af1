"""Join a Ray cluster.

The cluster is the user's: ``ray start`` makes one, and ``RAY_ADDRESS`` names it, as for every program that uses Ray.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from data.errors import UserError

_SECONDS_TO_CONNECT = 10


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process has joined.

    Attributes:
        dashboard: the address of Ray's own page; empty where there is none.
    """

    dashboard: str

    def count(self, resource: str) -> int:
        """How many of a resource (``CPU``, ``GPU``) all nodes have together, at this moment."""
        return int(import_ray().cluster_resources().get(resource, 0))

    def __str__(self) -> str:
        nodes = sum(node["Alive"] for node in import_ray().nodes())
        parts = [f"{nodes} node{'s' * (nodes != 1)}", f"{self.count('CPU')} CPUs"]
        if cards := self.count("GPU"):
            parts.append(f"{cards} GPUs")
        if self.dashboard:
            parts.append(f"dashboard http://{self.dashboard}")
        return ", ".join(parts)


@contextmanager
def joined_cluster() -> Iterator[Cluster]:
    """Join the cluster that ``RAY_ADDRESS`` names, or else the one that this machine belongs to; leave it at the end.

    Raises:
        UserError: Ray is not installed, or no cluster is running there.
    """
    ray = import_ray()
    address = os.environ.get("RAY_ADDRESS", "")
    if "://" in address:
        raise UserError(f"RAY_ADDRESS: {address}: run this on a node of the cluster, and give host:port.")
    if address not in ("", "auto", "local") and not _answers(address):
        raise UserError(f"no Ray cluster answers at {address} (RAY_ADDRESS). `ray status` shows whether it is running.")
    try:
        context = ray.init(address=address or "auto", log_to_driver=False, logging_level="error")
    except ConnectionError:
        raise UserError(
            "runtime.engine: ray, but no Ray cluster is running on this machine. Start one (docs/scaling.md has the "
            "commands) or name it in RAY_ADDRESS. On one machine, runtime.engine: local does the same without Ray."
        ) from None
    ray._private.worker.print_to_stdstream = _ignore  # a lost node's log, many lines long, over the progress bar
    try:
        yield Cluster(context.dashboard_url or "")
    finally:
        ray.shutdown()


def import_ray():
    """The package ``ray``, which is not installed with emocache.

    Raises:
        UserError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports to its makers unless told not to
    try:
        import ray
    except ImportError:
        raise UserError('runtime.engine: ray needs Ray, which is not installed: pip install -e ".[ray]"') from None
    return ray


def _ignore(*arguments, **options) -> None:
    pass


def _answers(address: str) -> bool:
    """Whether anything listens there; Ray itself waits for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()
    except (OSError, ValueError):
        return False
    return True
