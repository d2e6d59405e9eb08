"""The built-in engine: the election machine, and links to the other nodes around it.

`PeersBackend` and its `Settings` are all that the daemon needs, and `farewell` all that `les cleanup` does; so each is
loaded on first use. Inside: `driver` feeds the machine, `backend` carries out what it wants, `server` answers on the
port, `links` keeps one `link` for each member, `greeting` begins each, `dialer` makes them with `client`, `seeds` looks
up names, and `originals` polls nodes of the old protocol.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from les_hooks.backends.peers.backend import PeersBackend
    from les_hooks.backends.peers.settings import Settings

__all__ = ["PeersBackend", "Settings"]

_HOME = {"PeersBackend": "les_hooks.backends.peers.backend", "Settings": "les_hooks.backends.peers.settings"}


def __getattr__(name: str) -> object:
    """Load a public name where it lives."""
    if name not in _HOME:
        raise AttributeError(f"module 'les_hooks.backends.peers' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
