"""What the two listeners of a node have in common: that of the peers, and that of the page.

    bucket    how often something may happen
    logs      what strangers may have written into the log
    advice    what to do about a port that cannot be had
    sources   who is let in: limits for each source address, and for all of them
    door      the listening sockets, and what comes in through them; `binding` and `guest` are parts of it

Imported by `backends` and `http`.
"""

from les_hooks.serving.advice import cannot_listen
from les_hooks.serving.bucket import Bucket, Rate
from les_hooks.serving.door import Door
from les_hooks.serving.logs import Sparing, forward_to
from les_hooks.serving.sources import Limits

__all__ = ["Bucket", "Door", "Limits", "Rate", "Sparing", "cannot_listen", "forward_to"]
