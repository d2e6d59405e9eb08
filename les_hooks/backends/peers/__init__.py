"""The built-in engine: the election machine, and links to the other nodes around it.

`PeersBackend` and its `Settings` are all that the daemon needs. Inside: `driver` feeds the machine, `backend` carries
out what it wants, `server` answers on the port, `links` keeps one `link` for each member, `dialer` makes them, `seeds`
looks up names, and `originals` polls nodes of the old protocol.
"""

from les_hooks.backends.peers.backend import PeersBackend
from les_hooks.backends.peers.settings import Settings

__all__ = ["PeersBackend", "Settings"]
