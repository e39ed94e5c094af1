"""Where a server listens, and its limits."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of `ser serve`.

    Attributes:
        host, port: the address to listen on; port 0 for any free one.
        token: what a client must know; None for nothing.
        certificate, key: PEM files, for HTTPS.
        max_megabytes: of one upload.
        max_seconds: of one recording.
        timeout: seconds that one request may take, from its first byte to its answer.
        most_requests: that are answered or wait at once; more are turned away.
        most_sessions: that listen to a microphone at once.
    """

    host: str = "127.0.0.1"
    port: int = 8800
    token: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    max_megabytes: float = 25.0
    max_seconds: float = 600.0
    timeout: float = 60.0
    most_requests: int = 64
    most_sessions: int = 4

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def max_bytes(self) -> int:
        """Of one upload."""
        return round(self.max_megabytes * 1e6)
