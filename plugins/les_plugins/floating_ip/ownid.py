"""What the provider calls this node: configured, or asked of the host's metadata service once. Private to
`floating_ip`.
"""

import re
from collections.abc import Awaitable, Callable

from les_plugins.floating_ip.http import Http
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["OwnId", "number"]


class OwnId:
    """An id that does not change as long as the host lives, and so is asked for until it is known."""

    def __init__(self) -> None:
        self.known = ""

    async def find(self, configured: str, key: str, ask: Callable[[], Awaitable[str]]) -> str:
        """The configured one, or what `ask` gets. Raises Trouble; `key` is what to set in `les.toml` against that."""
        if configured:
            self.known = configured
        if not self.known:
            try:
                self.known = await ask()
            except Trouble as trouble:
                why = f"the own id is not known, the metadata service gave {trouble.why}; set {key}"
                raise Trouble(Fault.UNPREPARED, why, trouble.retry_after) from None
        return self.known


async def number(metadata: Http, path: str) -> str:
    """Ask the metadata service for a number, as plain text."""
    text = (await metadata.get(path)).text()
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise Trouble(Fault.MALFORMED, f"{text!r}, which is no number")
    return text
