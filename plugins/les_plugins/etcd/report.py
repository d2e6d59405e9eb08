"""What `les status` shows of this backend, as plain JSON values. Private to `etcd`."""

import math
from collections.abc import Iterator, Mapping, Sequence

from les_hooks.backends import Instant
from les_hooks.cli.output import seconds
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.health import Health
from les_plugins.etcd.store import Store

__all__ = ["report"]


def report(
    candidate: Candidate, store: Store, health: Health, lease: int, now: Instant, *, asked: int
) -> Mapping[str, object]:
    """`failing` is for how many seconds etcd has not answered, None where it does; `hold` how much is left of the
    time that this node may act on its lease, 0.0 for nothing. `asked` is for how many seconds a lease is asked for.
    """
    own, failing = candidate.own, now.boottime - health.failing_since
    endpoints = store.status()
    return {
        "summary": _failure(health, now) or _summary(candidate, endpoints, now),
        "lease": f"{lease:x}" if lease else None,
        "ttl": candidate.hold.ttl,
        "hold": round(max(0.0, candidate.hold.act_until - now.boottime), 3),
        "key": own.key if own is not None else None,
        "create_revision": own.revision if own is not None else None,
        "revision": candidate.line.revision,
        "failing": round(failing, 3) if failing > -math.inf else None,
        "endpoints": list(endpoints),
        "warnings": list(_warnings(candidate, health, now, asked)),
    }


def _failure(health: Health, now: Instant) -> str:
    """Since when etcd is of no use; empty where it does."""
    if health.failing_since == math.inf:
        return ""
    lasting = seconds(round(max(0.0, now.boottime - health.failing_since)))
    return f"etcd has {'refused this node' if health.refused else 'not answered'} for {lasting}"


def _summary(candidate: Candidate, endpoints: Sequence[Mapping[str, object]], now: Instant) -> str:
    used = next((each["endpoint"] for each in endpoints if each["used"]), "no endpoint")
    failed = sum(each["error"] is not None for each in endpoints)
    more = f" ({failed} of {len(endpoints)} endpoints failed when they were last asked)" if failed else ""
    return f"etcd at {used}{more}; {_standing(candidate, now)}"


def _standing(candidate: Candidate, now: Instant) -> str:
    waits = candidate.waits_until - now.boottime
    if candidate.own is None:
        return "this node has no key there yet"
    if waits > 0.0:
        return (
            f"waits for another {waits:.1f} s before it leads: the key of the leader before was taken away while that "
            "one may still act"
        )
    return f"key of revision {candidate.own.revision}, lease of {candidate.hold.ttl} s"


def _warnings(candidate: Candidate, health: Health, now: Instant, asked: int) -> Iterator[str]:
    if failure := _failure(health, now):
        yield f"{failure}: {health.why}"
    if candidate.hold.ttl > asked:
        yield (
            f"etcd gives leases of {candidate.hold.ttl} s and no shorter ones, where plugins.etcd.ttl asks for {asked} "
            "s: it is one and a half of its election timeouts"
        )
    for key in candidate.twins:
        yield f"another process goes by the address of this node, with the key {key}; give each an advertise of its own"
    yield from candidate.line.faults
