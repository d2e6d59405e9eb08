"""Why a port cannot be had, and what to do about it. Imported by this package, and by who looks whether it can."""

import errno
import os
from typing import Final

from les_hooks.errors import StartError
from les_hooks.members import join_host_port

__all__ = ["cannot_listen"]

_ADVICE: Final = {
    errno.EADDRINUSE: "another process listens there: stop it (`ss -ltnp` names it), or choose another {key}",
    errno.EACCES: "choose a port above 1023 in {key}, or give this process CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this host has no such address: set {key} to one of its own, or to 0.0.0.0",
}


def cannot_listen(key: str, host: str, port: int, error: OSError) -> StartError:
    """Say why the port cannot be had, and what mends that; `key` is where it is set: `[node] bind`."""
    # What is no errno of ours (a host that is none) only the resolver can tell.
    why = os.strerror(error.errno).lower() if error.errno in _ADVICE else str(error)
    advice = _ADVICE.get(error.errno or 0, "see {key}").format(key=key)
    return StartError(f"port {join_host_port(host, port)}", why, advice)
