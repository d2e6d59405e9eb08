"""The closing table: what happened, who led, how long each take-over took. Pure; imported by `director` and above."""

from dataclasses import asdict, dataclass

from les_hooks.demo.acts import Deed

__all__ = ["Report", "Row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One act: who it was done to, who led before and after, milliseconds since the start and of the take-over.

    `takeover_ms` counts from the signal to the first line of the successor's `elected` script; None where leadership
    was not to move, or did not within the limit.
    """

    deed: Deed
    node: str
    at_ms: float
    leader_before: str | None
    leader_after: str | None
    takeover_ms: float | None

    @property
    def succeeded(self) -> bool:
        """Whether leadership moved where it should, and stayed where it should."""
        if self.deed.moves_leadership:
            return self.takeover_ms is not None and self.leader_after not in (None, self.leader_before)
        return self.leader_after is not None and self.leader_before in (None, self.leader_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All acts that were played."""

    addresses: dict[str, str]
    rows: tuple[Row, ...]
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether every act came out as it should."""
        return all(row.succeeded for row in self.rows)

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "ok": self.succeeded,
            "seconds": round(self.seconds, 3),
            "nodes": self.addresses,
            "acts": [{**asdict(row), "ok": row.succeeded} for row in self.rows],
        }

    def cells(self) -> list[tuple[str, str, str, str]]:
        """For people: the rows of the table, the heading first."""
        rows = (
            (_WHAT[row.deed].format(row.node), row.leader_before or "-", row.leader_after or "-", _took(row))
            for row in self.rows
        )
        return [("what happened", "led before", "leads after", "take-over"), *rows]


_WHAT = {
    Deed.START: "{} started",
    Deed.KILL: "{} was killed (SIGKILL)",
    Deed.STOP: "{} was stopped (SIGTERM)",
    Deed.RETURN: "{} came back",
}


def _took(row: Row) -> str:
    if row.takeover_ms is not None:
        return f"{row.takeover_ms:.0f} ms"
    if row.deed.moves_leadership:
        return "not in time"
    return "none needed" if row.deed is Deed.RETURN else ""
