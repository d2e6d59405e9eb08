"""What a running node says of itself, as plain JSON values: the objects of `docs/cli.md`. For `requests` and `http`."""

import asyncio
import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

import msgspec

from les_hooks import __version__
from les_hooks.control.security import security
from les_hooks.control.succession import Place, line
from les_hooks.control.warnings import node_warnings, warnings, why_unaccepted
from les_hooks.daemon import Node
from les_hooks.daemon.clock import boottime
from les_hooks.dispatch import CallResult
from les_hooks.election.roles import Role
from les_hooks.members import UNSTAMPED, Member, Part

__all__ = ["leadership", "maintenance", "members", "plugins", "status", "succession"]

# A plugin's `status` must be quick; one that is not is left out of the answer.
_STATUS_SECONDS: Final = 1.0


async def status(node: Node) -> Mapping[str, Any]:
    """All of `les status`."""
    config, view = node.config, node.view
    engine = dict(node.backend.status())
    standing = view.members if view is not None else ()
    return {
        "node": {
            "name": config.node.name,
            "address": config.node.advertise,
            "part": config.cluster.role,
            "version": __version__,
            "boot": node.boot.counter,
            "pid": os.getpid(),
            "started": node.started_at,
            "uptime": round(max(0.0, boottime() - node.started_boottime), 3),
            "stopping": node.stopping,
        },
        "cluster": config.cluster.name,
        **leadership(node),
        "settled": view is not None and view.settled,
        "alone_in": _alone_in(node),
        "members": members(node),
        "succession": succession(line(standing, config.cluster.quorum)),
        "warnings": [*node_warnings(node), *warnings(engine)],
        "maintenance": maintenance(node),
        "lanes": dict(node.dispatcher.waiting),
        "plugins": await _plugins_with_status(node),
        "audit": {
            "path": str(config.log.audit),
            "seq": node.audit.seq,
            "degraded": node.audit.degraded,
            "dropped": node.audit.dropped,
        },
        "guard": node.guard.pid,
        "state_dir": str(config.node.state_dir),
        "config": {
            "source": None if config.source is None else str(config.source.absolute()),
            "loaded": node.configured_at,
        },
        "security": security(config, node.credentials),
        "http": None if node.pages is None else {"url": node.pages.url, "token": node.pages.token},
        "backend": engine,
    }


def leadership(node: Node) -> Mapping[str, Any]:
    """Who leads, and whether it is this node. `authority` is in seconds, 0.0 where this node must not act."""
    view = node.view
    own = _own(node)
    leading = next((m for m in view.members if m.address == view.leader), None) if view is not None else None
    return {
        "role": own.role if own is not None else "joining",
        "term": view.term if view is not None else 0,
        "leader": view.leader if view is not None else None,
        "leader_name": leading.name if leading is not None else None,
        "unaccepted": _unaccepted(node),
        "is_me": node.is_leader,
        "authority": round(node.authority.left(), 3),
        "time": time.time(),
    }


def _unaccepted(node: Node) -> Mapping[str, Any] | None:
    """Who leads by its own word, where this node accepts nobody; `why` is empty where that is not known."""
    view, engine = node.view, node.backend.status()
    # Of a backend that has no answers the last word is old, and no news of who leads now.
    if view is None or view.leader is not None or engine.get("failing") is not None:
        return None
    sitting = next((m for m in view.members if m.role == Role.LEADER and m.address != node.config.node.advertise), None)
    if sitting is None:
        return None
    return {"address": sitting.address, "name": sitting.name, "why": why_unaccepted(sitting, engine)}


def _alone_in(node: Node) -> float | None:
    """In how many seconds this node leads alone unless somebody answers; None where it does not wait for that."""
    cluster = node.config.cluster
    waits = cluster.role is Part.MEMBER and cluster.alone_after < math.inf
    if not waits or (node.view is not None and node.view.settled):
        return None
    return round(max(0.0, node.joined_boottime + cluster.alone_after - boottime()), 3)


def members(node: Node) -> list[Mapping[str, Any]]:
    """Everybody in the cluster, the most senior first; `start_time` is None for who has no stamp."""
    return [
        {
            "address": member.address,
            "name": member.name,
            "kind": member.kind,
            "part": member.part,
            "role": member.role,
            "fit": member.fit,
            "unfit": member.unfit,
            "direct": member.direct,
            "start_time": None if member.start_time == UNSTAMPED else member.start_time,
            "version": member.version,
        }
        for member in (node.view.members if node.view is not None else ())
    ]


def succession(places: Iterable[Place]) -> list[Mapping[str, Any]]:
    """Who would lead after whom; `why` a member is passed over is empty for who could lead."""
    return [{"address": each.member.address, "name": each.member.name, "why": each.why} for each in places]


def maintenance(node: Node) -> Mapping[str, Any]:
    """Whether this node is in maintenance, until when (Unix seconds) and so for how many seconds, why, and by whom."""
    standing = node.maintenance
    if standing is None:
        return {"on": False, "until": None, "left": 0.0, "note": "", "uid": None}
    left = round(max(0.0, standing.until - time.time()), 3)
    return {"on": True, "until": standing.until, "left": left, "note": standing.note, "uid": standing.uid}


def plugins(node: Node) -> list[dict[str, Any]]:
    """All plugins that are installed, loaded or wanted."""
    found = [asdict(info) for info in node.registry.infos()]
    for plugin in found:
        refused = None if node.pages is None else node.pages.refused.get(plugin["name"])
        if refused is not None:
            plugin["why"] = plugin["why"] or f"its pages are not shown: {refused}"
    return found


async def _plugins_with_status(node: Node) -> list[dict[str, Any]]:
    found = plugins(node)
    loaded = [plugin for plugin in found if plugin["name"] in node.registry.loaded]
    results = await asyncio.gather(
        *(node.dispatcher.ask(plugin["name"], "status", _STATUS_SECONDS) for plugin in loaded)
    )
    for plugin, result in zip(loaded, results, strict=True):
        plugin["status"], plugin["status_error"] = _plain(result)
    return found


def _plain(result: CallResult | None) -> tuple[object, str]:
    """A plugin's status as JSON values, and what is wrong with it: one plugin must not spoil the whole answer."""
    if result is None or result.error:
        return None, "" if result is None else result.error
    try:
        return msgspec.json.decode(msgspec.json.encode(result.value)), ""
    except (TypeError, ValueError, RecursionError) as error:
        return None, f"cannot be told as JSON: {error}"


def _own(node: Node) -> Member | None:
    own = node.config.node.advertise
    return next((m for m in node.view.members if m.address == own), None) if node.view is not None else None
