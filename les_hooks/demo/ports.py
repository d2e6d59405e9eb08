"""Ports that nobody listens on. Another process may take one before the node does, so who uses them must retry.

Imported by `fleet`.
"""

import random
import socket
from typing import Final

__all__ = ["free_ports", "is_free"]

# Below those that Linux gives to outgoing connections (32768 and up): a node that dials a peer which is not up yet
# must neither take that peer's port, nor connect to itself.
_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000
_MOST_TRIES: Final = 1000


def free_ports(count: int) -> list[int]:
    """Return different ports that can be listened on. Raises OSError where there are none."""
    found: set[int] = set()
    for port in random.sample(range(_LOWEST, _HIGHEST), _MOST_TRIES):
        if len(found) == count:
            break
        if is_free(port):
            found.add(port)
    if len(found) < count:
        raise OSError(f"no {count} free ports on 127.0.0.1 between {_LOWEST} and {_HIGHEST}")
    return sorted(found)


def is_free(port: int) -> bool:
    """Whether a node could listen on it now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the node does
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
