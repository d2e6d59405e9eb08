"""Nodes that could be: what they would tell of themselves, in the shape of `les status --json` and the others."""

import copy
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from les_plugins.dashboard.snapshot import Snapshot

__all__ = [
    "HOSTILE",
    "NOW",
    "a_member",
    "a_record",
    "a_snapshot",
    "a_status",
    "address",
    "history",
    "hostile",
    "records",
]

NOW = 1_772_352_930.0

HOSTILE = "<img src=x onerror=\"document.title='owned'\">'\"&\u202egnp.exe\u2066 \x1b[31m\ud800 javascript:alert(1)"
"""What no name may be, and a reason or a plugin's words can."""


def address(index: int) -> str:
    """The address of a member."""
    return f"10.0.0.{index + 1}:4000"


def a_member(index: int, **fields: Any) -> dict[str, Any]:
    """A member, the first of them the leader, each an hour junior to the one before."""
    return {
        "address": address(index),
        "name": f"web-{index + 1}",
        "kind": "les",
        "part": "member",
        "role": "leader" if index == 0 else "follower",
        "fit": True,
        "unfit": "",
        "direct": True,
        "start_time": NOW - 3600 * (30 - index),
        "version": "0.1.0",
        **fields,
    }


def a_status(count: int = 3, own: int = 1, **fields: Any) -> dict[str, Any]:
    """The status of the member `own` of so many."""
    members = [a_member(index) for index in range(count)]
    rtts = (0.00042, 0.0013, 0.0121, 0.000087)
    return {
        "node": {
            "name": f"web-{own + 1}",
            "address": address(own),
            "part": "member",
            "version": "0.1.0",
            "boot": 7,
            "pid": 4242,
            "started": NOW - 90_000,
            "uptime": 90_000.0,
            "stopping": False,
        },
        "cluster": "web",
        "role": members[own]["role"],
        "term": 12,
        "leader": address(0),
        "leader_name": "web-1",
        "unaccepted": None,
        "is_me": own == 0,
        "authority": 1.31 if own == 0 else 0.0,
        "time": NOW,
        "settled": True,
        "alone_in": None,
        "members": members,
        "succession": [{"address": each["address"], "name": each["name"], "why": ""} for each in members],
        "warnings": [],
        "maintenance": {"on": False, "until": None, "left": 0.0, "note": "", "uid": None},
        "lanes": {"role": 0, "membership": 0},
        "plugins": [
            a_plugin("checks", "3 checks"),
            a_plugin("dashboard", "shows the page"),
            a_plugin("scripts", "4 ran"),
            a_plugin("vip", "10.0.0.100/24 is on web-1"),
            a_plugin("floating_ip", "", state="available"),
        ],
        "audit": {"path": "/var/lib/les/audit.jsonl", "seq": 4711, "degraded": None, "dropped": 0},
        "guard": 4243,
        "state_dir": "/var/lib/les",
        "config": {"source": "/etc/les/les.toml", "loaded": NOW - 90_000},
        "security": {"mode": "insecure", "summary": "open: insecure = true", "fingerprints": [], "public": True},
        "backend": {
            "address": address(own),
            "links": [
                {"address": address(index), "name": f"web-{index + 1}", "rtt": rtts[index % 4]}
                for index in range(count)
                if index != own
            ],
            "quorum": {"mode": "members"},
            "warnings": [],
        },
        **fields,
    }


def a_plugin(name: str, summary: str, **fields: Any) -> dict[str, Any]:
    """A plugin's part of the status."""
    return {
        "name": name,
        "distribution": "les-hooks",
        "version": "0.1.0",
        "state": "loaded",
        "why": "",
        "hooks": [],
        "status": {"summary": summary},
        "status_error": "",
        **fields,
    }


def history() -> list[dict[str, Any]]:
    """A day with five leaderships, a time when nobody led, and one when this node did not look."""
    hours = (
        (-40.0, -19.5, 0, "leader-lost"),
        (-19.49, -11.0, 1, "this node stopped watching"),
        (-10.2, -6.0, 2, "leader-left"),
        (-5.2, -5.199, 1, "unfit"),
        (-5.1989, None, 0, None),
    )
    return [
        {
            "leader": address(who),
            "term": 8 + index,
            "since": NOW + since * 3600,
            "until": None if until is None else NOW + until * 3600,
            "ended": ended,
        }
        for index, (since, until, who, ended) in enumerate(hours)
    ]


def a_record(seq: int, action: str, ago: float, **fields: Any) -> dict[str, Any]:
    """A record of the audit trail, written so many seconds ago."""
    return {
        "schema": "les.audit/1",
        "time": datetime.fromtimestamp(NOW - ago, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "seq": seq,
        "boot": 7,
        "node": "web-2",
        "cluster": "web",
        "action": action,
        "outcome": "success",
        "reason": None,
        "term": 12,
        "leader": address(0),
        "event_id": f"x-{seq}",
        **fields,
    }


def records() -> list[dict[str, Any]]:
    """A node that started, followed, and whose one hook failed."""
    hook = "hook.finished"
    told: list[tuple[str, float, Mapping[str, Any]]] = [
        ("node.started", 90_000, {"term": None}),
        ("leader.demoted", 89_999, {"reason": "startup", "term": 0}),
        (hook, 89_999, {"plugin": "scripts", "event": "demoted", "duration_ms": 3.2}),
        ("member.joined", 89_998, {"reason": "joined", "member": address(0), "term": 0}),
        ("member.joined", 89_998, {"reason": "joined", "member": address(2), "term": 0}),
        ("leader.changed", 70_200, {"reason": "leader-lost", "leader": address(1), "term": 9}),
        ("leader.elected", 70_200, {"reason": "leader-lost", "leader": address(1), "term": 9}),
        (hook, 70_199, {"plugin": "vip", "event": "elected", "duration_ms": 41.0}),
        ("config.reloaded", 30_000, {}),
        ("member.lost", 18_720, {"reason": "timeout", "member": address(2)}),
        ("leader.changed", 18_716, {"reason": "leader-lost"}),
        (hook, 18_715, {"plugin": "scripts", "event": "leader-changed", "duration_ms": 12.0}),
        (
            hook,
            18_700,
            {
                "plugin": "scripts",
                "event": "member-lost",
                "duration_ms": 30_004.0,
                "outcome": "timeout",
                "reason": "/etc/les/hooks.d/member-lost.d/10-mail: after 30 s",
            },
        ),
        ("operator.request", 600, {"command": "reload"}),
        ("operator.answer", 599, {"command": "reload", "outcome": "failure", "reason": "les.toml:3:1: no"}),
        ("member.joined", 60, {"reason": "joined", "member": address(2)}),
    ]
    return [a_record(seq, action, ago, **fields) for seq, (action, ago, fields) in enumerate(told, 1)]


def hostile() -> dict[str, Any]:
    """Twenty members with names of 64 characters, and hostile words wherever words can come from elsewhere."""
    status = a_status(20, own=7)
    for index, member in enumerate(status["members"]):
        member |= {"name": f"{index}-".ljust(64, "w"), "fit": index != 3, "unfit": HOSTILE if index == 3 else ""}
    status["members"][5] |= {"name": HOSTILE, "direct": False, "role": HOSTILE, "start_time": None, "version": HOSTILE}
    for place, member in zip(status["succession"], status["members"], strict=True):
        place |= {"name": member["name"], "why": member["unfit"]}
    status |= {
        "cluster": HOSTILE,
        "warnings": [HOSTILE],
        "security": {"mode": "insecure", "summary": HOSTILE},
    }
    status["audit"] |= {"degraded": HOSTILE, "dropped": 3}
    status["maintenance"] = {"on": True, "until": NOW + 60, "left": 60.0, "note": HOSTILE, "uid": 0}
    status["plugins"] += [
        a_plugin("odd", HOSTILE),
        a_plugin("broken", "", state="failed", why=HOSTILE),
        webhooks(
            {"name": HOSTILE, "queued": 3, "oldest_seconds": 70.0, "failed": 1, "state": "failing", "error": HOSTILE}
        ),
    ]
    return status


def webhooks(*endpoints: Any) -> dict[str, Any]:
    """The plugin `webhook`, with what it says of its endpoints."""
    return a_plugin(
        "webhook", "", status={"summary": f"{len(endpoints)} endpoints", "endpoints": list(endpoints), "degraded": None}
    )


def a_snapshot(
    status: dict[str, Any] | None = None,
    *,
    rows: Sequence[Mapping[str, Any]] | None = None,
    last: Sequence[Mapping[str, Any]] | None = None,
) -> Snapshot:
    """What a page could show."""
    told = copy.deepcopy(a_status() if status is None else status)
    return Snapshot(
        now=told["time"],
        status=told,
        history=history() if rows is None else rows,
        records=records() if last is None else last,
        names={each["address"]: each["name"] for each in told["members"]},
    )
