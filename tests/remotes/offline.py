"""Running commands where there is no network."""

import shutil
import subprocess

_NO_NETWORK = ["unshare", "--map-root-user", "--net"]
_CLOSED_PORT = "http://127.0.0.1:9"


def offline(*command: str) -> list[str]:
    """A command as it runs without a network: in a namespace of its own, or behind a proxy that is not there."""
    variables = ["HF_HUB_OFFLINE=1", *(f"{name}={_CLOSED_PORT}" for name in ("http_proxy", "https_proxy", "all_proxy"))]
    namespace = _NO_NETWORK if _may_cut_the_network() else []
    return [*namespace, "env", *variables, *command]


def _may_cut_the_network() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*_NO_NETWORK, "true"], capture_output=True).returncode == 0
