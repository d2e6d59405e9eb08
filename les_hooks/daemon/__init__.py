"""The shell around the election: one running node, with its state directory, clocks, lanes and signals.

`Node` is all of it, for the command line and for users of the library; `load_config` reads what it is made from. Both
are loaded on first use: `les cleanup` runs while others wait for it, and needs no election and no server.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from les_hooks.daemon.node import Node
    from les_hooks.daemon.setup import load_config

__all__ = ["Node", "load_config"]

_HOME = {"Node": "les_hooks.daemon.node", "load_config": "les_hooks.daemon.setup"}


def __getattr__(name: str) -> object:
    """Load a public name where it lives."""
    if name not in _HOME:
        raise AttributeError(f"module 'les_hooks.daemon' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
