"""What the outbox holds, as values. Private to `webhook`."""

from dataclasses import dataclass

from les_plugins.webhook.who import State

__all__ = ["ROW_BYTES", "Bounds", "Row", "Tally"]

ROW_BYTES = 256
"""What a row takes beside its event, about: its columns and its place in two indexes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event for one endpoint; `event` is its JSON, `created` and `died` are Unix seconds."""

    id: int
    endpoint: str
    delivery: str
    event: bytes
    created: float
    state: State
    attempts: int
    error: str
    died: float | None


@dataclass(slots=True, kw_only=True)
class Tally:
    """How much there is for one endpoint. `oldest` is when the row that is next was written, in Unix seconds."""

    queued: int = 0
    held: int = 0
    dead: int = 0
    bytes: int = 0
    oldest: float | None = None
    delivered: int = 0
    disabled: str = ""
    disabled_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait, dead letters included."""

    rows: int
    bytes: int
