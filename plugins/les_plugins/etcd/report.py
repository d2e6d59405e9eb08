"""What `les status` shows of this backend, as plain JSON values. Private to `etcd`."""

import math
from collections.abc import Iterator, Mapping

from les_hooks.backends import Instant
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.health import Health
from les_plugins.etcd.store import Store

__all__ = ["report"]


def report(candidate: Candidate, store: Store, health: Health, lease: int, now: Instant) -> Mapping[str, object]:
    """`failing` is for how many seconds etcd has not answered, None where it does; `hold` how much is left of the
    time that this node may act on its lease, 0.0 for nothing.
    """
    own, failing = candidate.own, now.boottime - health.failing_since
    return {
        "summary": _summary(candidate, health, now),
        "lease": f"{lease:x}" if lease else None,
        "ttl": candidate.hold.ttl,
        "hold": round(max(0.0, candidate.hold.act_until - now.boottime), 3),
        "key": own.key if own is not None else None,
        "create_revision": own.revision if own is not None else None,
        "revision": candidate.line.revision,
        "failing": round(failing, 3) if failing > -math.inf else None,
        "endpoints": list(store.status()),
        "warnings": list(_warnings(candidate, health, now)),
    }


def _summary(candidate: Candidate, health: Health, now: Instant) -> str:
    if health.failing_since < math.inf:
        return f"etcd has not answered for {now.boottime - health.failing_since:.0f} s"
    if candidate.own is None:
        return "etcd answers; this node has no key there yet"
    waits = candidate.waits_until - now.boottime
    if waits > 0.0:
        return f"etcd; waits {waits:.1f} s for the leader before, whose lease was taken away while it may still act"
    return f"etcd; this node's key is of revision {candidate.own.revision}"


def _warnings(candidate: Candidate, health: Health, now: Instant) -> Iterator[str]:
    if health.failing_since < math.inf:
        yield f"etcd has not answered for {now.boottime - health.failing_since:.0f} s: {health.why}"
    yield from candidate.line.faults
