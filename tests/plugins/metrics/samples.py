"""A node as it could be, with all that the plugin tells of: its status, its records, and one scrape of it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp.test_utils import make_mocked_request

from les_hooks import Event
from les_plugins.metrics.counts import Counts
from les_plugins.metrics.page import Page
from tests.fake_context import FakeContext

__all__ = ["RECORDS", "A", "B", "C", "FakeNode", "scrape", "status"]

A, B, C = "10.0.0.1:4000", "10.0.0.2:4000", "[fd00::3]:4000"


def status(**changes: Any) -> dict[str, Any]:
    """What `les status --json` prints, with these parts changed."""
    plain: dict[str, Any] = {
        "node": {"name": "a", "address": A, "part": "member", "version": "1.2.3", "stopping": False, "pid": 812},
        "cluster": "web",
        "role": "leader",
        "term": 7,
        "leader": A,
        "leader_name": "a",
        "is_me": True,
        "authority": 1.43,
        "settled": True,
        "members": [
            {"address": A, "name": "a", "part": "member", "fit": True},
            {"address": B, "name": "b", "part": "member", "fit": False},
            {"address": C, "name": "c", "part": "witness", "fit": True},
        ],
        "warnings": ["the voter d is not heard"],
        "maintenance": {"on": False},
        "lanes": {"role": 1, "membership": 2},
        "plugins": [
            {"name": "scripts", "state": "loaded", "hooks": ["on_elected", "status"], "status": {}},
            {"name": "vip", "state": "failed", "hooks": [], "status": None},
            {"name": "checks", "state": "available", "hooks": []},
            {
                "name": "webhook",
                "state": "loaded",
                "hooks": [],
                "status": {"endpoints": [endpoint("chat"), endpoint("pager", state="failing", oldest_seconds=12.5)]},
            },
        ],
        "audit": {"degraded": None, "dropped": 0, "seq": 12},
        "security": {"mode": "tls", "certificate": {"hosts": ["10.0.0.1"], "expires": 1893553445.0}},
        # No backend has all of these, and each of them is told.
        "backend": {
            "summary": "all is well",
            "failing": None,
            "links": [{"address": B, "rtt": 0.0125, "age": 12.0}, {"address": C, "rtt": None, "age": 0.5}],
            "quorum": {
                "mode": "majority",
                "majority": 2,
                "voters": [
                    {"address": A, "heard": True, "granted": True},
                    {"address": B, "heard": True, "granted": False},
                    {"address": C, "heard": False, "granted": False},
                ],
            },
        },
    }
    return plain | changes


def endpoint(name: str, **changes: Any) -> dict[str, Any]:
    """What the plugin `webhook` says of one of its endpoints."""
    plain = {"name": name, "state": "ok", "queued": 3, "failed": 1, "delivered": 40, "oldest_seconds": None}
    return plain | changes


def record(action: str, outcome: str = "success", **fields: Any) -> Mapping[str, Any]:
    """A line of the audit trail."""
    return {"action": action, "outcome": outcome, "reason": None, **fields}


RECORDS = (
    record("leader.elected", reason="leader-lost"),
    record("leader.changed", reason="leader-lost", replay=False, vacant_ms=320.0),
    record("hook.finished", plugin="scripts", event="elected", duration_ms=250.0),
    record("hook.finished", "timeout", plugin="scripts", event="demoted", duration_ms=30000.0),
    record("hook.finished", plugin="scripts", event="while-leader", duration_ms=5000.0),
    record("hook.finished", "superseded", event="leader-changed"),
    record("plugin.scripts.script", "timeout", event="demoted", duration_ms=30000),
    record("leader.demoted", reason="outranked"),
    record("member.joined", member=B),
    record("audit.gap", "failure", dropped=5),
)


@dataclass
class FakeNode:
    """Implements `les_hooks.NodeReport`; where `error` is set, it has no status."""

    told: Mapping[str, Any] = field(default_factory=status)
    error: BaseException | None = None

    async def status(self) -> Mapping[str, Any]:
        """As it was set."""
        if self.error is not None:
            raise self.error
        return self.told

    def history(self, since: float = 0.0) -> Sequence[Mapping[str, Any]]:
        """Nobody led."""
        return ()

    def records(self) -> Sequence[Mapping[str, Any]]:
        """None."""
        return ()

    async def events(self, after: int | None = None) -> AsyncGenerator[Event, None]:
        """None."""
        return
        yield


async def scrape(
    node: FakeNode, *records: Mapping[str, Any], accept: str = "", ctx: FakeContext | None = None
) -> tuple[str, str]:
    """The text and the content type of an answer, after these records."""
    counts = Counts()
    for each in records:
        counts.take(each)
    counts.late(0.02)
    page = Page(node, counts, (ctx or FakeContext(config=None)).log, patience=0.05)
    response = await page.answer(make_mocked_request("GET", "/metrics", headers={"Accept": accept}))
    return bytes(response.body).decode(), response.headers["Content-Type"]  # type: ignore[attr-defined]  # of a Response, which it is
