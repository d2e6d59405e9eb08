"""What travels over the control socket, and its bounds. Imported by both ends."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

__all__ = ["MOST_REPLY_BYTES", "MOST_REQUEST_BYTES", "Reply", "Request"]

MOST_REQUEST_BYTES: Final = 64 * 1024
"""A request line may take this much, its line end included."""
MOST_REPLY_BYTES: Final = 16 * 1024 * 1024
"""A line of a reply may take this much; a client reads no further."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one line that a client sends."""

    action: Annotated[str, Meta(min_length=1, max_length=64)]
    arguments: dict[str, Any] = {}


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The line that it gets; a stream is many of them, up to the end of the connection.

    Where `ok` is false, `error` is the text for the operator and `exit` the exit code for the command.
    """

    ok: bool
    result: Any = None
    error: str = ""
    exit: int = 0
