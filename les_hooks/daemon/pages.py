"""Where a node's pages are, as whoever serves them says. A value; imported by `node` and what is above."""

from dataclasses import dataclass

__all__ = ["Pages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The listener of `[http] listen`: where it is, whether it asks for a token, what it refuses of plugins."""

    url: str
    token: bool
    refused: tuple[str, ...] = ()
