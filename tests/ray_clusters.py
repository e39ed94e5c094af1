"""A real Ray cluster of several nodes on this machine, which listens on loopback only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ray_cluster(cores: tuple[int, ...] = (1, 1)) -> Iterator:
    """Start nodes with some cores each; `ray.cluster_utils.Cluster`, named in ``RAY_ADDRESS`` meanwhile."""
    before = dict(os.environ)
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # nodes on loopback, also on Linux
    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores[0], "include_dashboard": False})
    try:
        for count in cores[1:]:
            cluster.add_node(num_cpus=count)
        os.environ["RAY_ADDRESS"] = cluster.address
        yield cluster
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)
