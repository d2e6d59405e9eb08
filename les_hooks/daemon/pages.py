"""Where a node's pages are, as whoever serves them says. A value; imported by `node` and what is above."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Pages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The listener of `[http] listen`: where it is, whether it asks for a token, whose pages are not shown and why."""

    url: str
    token: bool
    refused: Mapping[str, str] = field(default_factory=dict)
