"""Ports for servers in processes of their own, which cannot be told to take any free one."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A port of 127.0.0.1 that is nobody else's by chance as long as the block lasts.

    On Linux a socket that is bound and does not listen keeps it, and whoever asks for this very port with SO_REUSEADDR,
    as servers do, gets it all the same. Elsewhere the port is free now, and most likely a moment later.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = int(held.getsockname()[1])
        if sys.platform != "linux":
            held.close()
        yield port
