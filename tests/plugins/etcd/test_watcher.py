"""The watch is held against reads: what must make a node begin anew, and what must not."""

from typing import Any

import pytest
import structlog

from les_hooks.backends import Identity, Instant
from les_hooks.members import Address, Boot
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.entry import Keys
from les_plugins.etcd.health import Health
from les_plugins.etcd.line import Line
from les_plugins.etcd.store import Header, Ranged, Transacted
from les_plugins.etcd.watcher import Watcher

KEYS = Keys("/les-hooks", "web")
NOW = Instant(100.0, 1.8e9)


def header(revision: int) -> Header:
    return Header(cluster_id=1, member_id=1, revision=revision, raft_term=1)


def ranged(revision: int) -> Ranged:
    return Ranged(header=header(revision), kvs=(), count=0)


def found(revision: int) -> Transacted:
    """An answer that has found nothing new."""
    return Transacted(header=header(revision), succeeded=True, ranged=(ranged(revision), ranged(revision)))


@pytest.mark.parametrize(("answer", "rewound"), [(5, False), (7, False), (4, True)])
def test_etcd_went_back_where_a_read_is_older_than_what_was_known_when_it_was_sent(answer: int, rewound: bool) -> None:
    """What the watch has told meanwhile may be newer than the answer: etcd is not another one for that."""
    told: list[str] = []
    log: Any = structlog.get_logger()
    line = Line(KEYS)
    identity = Identity(address=Address("10.0.0.1:4000"), name="a", version="1.0", boot=Boot(1, "a"))
    watcher = Watcher(
        # It is not asked here.
        None,  # type: ignore[arg-type]
        KEYS,
        Candidate(identity, line, ttl=5, hold=30.0, floor=0, now=NOW),
        health=Health(log),
        clock=lambda: NOW,
        changed=lambda: told.append("changed"),
        rewound=lambda: told.append("rewound"),
        log=log,
    )
    line.replace(ranged(6))
    watcher.compare(found(answer), known=5, count=0)
    assert ("rewound" in told) is rewound
    assert line.revision == 6
