"""The shell around the election: one running node, with its state directory, clocks, lanes and signals.

`Node` is all of it, for the command line and for users of the library; `load_config` reads what it is made from.
"""

from les_hooks.daemon.node import Node
from les_hooks.daemon.setup import load_config

__all__ = ["Node", "load_config"]
