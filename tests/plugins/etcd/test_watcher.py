"""What a read through the quorum comes to, held against what the watch has told."""

import asyncio

import pytest
import structlog

from les_hooks.backends import Identity, Instant
from les_plugins.etcd.candidate import Candidate
from les_plugins.etcd.health import Health
from les_plugins.etcd.line import Line
from les_plugins.etcd.store import Ranged, Transacted
from les_plugins.etcd.watcher import Watcher
from tests.etcd.fake import Client
from tests.plugins.etcd.stage import KEYS, Store, address, boot, header
from tests.plugins.etcd.test_line import puts

NOW = Instant(100.0, 1.7e9)


class Looking:
    """A watcher without its task, that knows what the store holds."""

    def __init__(self, store: Store, client: Client | None = None) -> None:
        self.rewinds: list[int] = []
        self.line = Line(KEYS)
        self.line.replace(store.ranged())
        identity = Identity(address=address("a"), name="a", version="1", boot=boot("a"))
        log = structlog.wrap_logger(structlog.testing.ReturnLogger())
        self.watcher = Watcher(
            client,  # type: ignore[arg-type]  # nothing is asked where there is none
            KEYS,
            Candidate(identity, self.line, ttl=5, hold=3.0, floor=0, now=NOW),
            health=Health(log),
            clock=lambda: NOW,
            changed=lambda: None,
            rewound=lambda: self.rewinds.append(self.line.revision),
            log=log,
        )

    def compare(self, revision: int, known: int) -> None:
        """A read of that revision was sent when the line was known up to `known`."""
        nothing = Ranged(header=header(revision), kvs=(), count=0)
        found = Transacted(header=header(revision), succeeded=True, ranged=(nothing, nothing))
        self.watcher.compare(found, known, 0)


@pytest.fixture
def store() -> Store:
    """Three nodes, at revision 3."""
    store = Store()
    for name in "abc":
        store.do(*puts(name))
    return store


def test_an_answer_that_the_watch_has_overtaken_is_no_older_etcd(store: Store) -> None:
    """Both come over connections of their own, and one may be slow."""
    looking = Looking(store)
    looking.line.follow(store.do(*puts("d")))
    looking.compare(3, known=3)
    assert looking.rewinds == []


def test_a_revision_below_what_was_known_before_is_an_older_etcd(store: Store) -> None:
    looking = Looking(store)
    looking.compare(2, known=3)
    assert looking.rewinds == [3]


class _Listing:
    """A store that lists what there is, and of which every watch hangs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def range(self, _asked: object) -> Ranged:
        return self._store.ranged()

    def watch(self, _prefix: str, _revision: int) -> "_Listing":
        return self

    async def __aenter__(self) -> "_Listing":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def __aiter__(self) -> "_Listing":
        return self

    async def __anext__(self) -> None:
        await asyncio.Event().wait()


async def test_a_list_below_what_was_known_before_is_of_an_older_etcd(store: Store) -> None:
    older = Store()
    older.do(*puts("a"))
    looking = Looking(store, _Listing(older))  # type: ignore[arg-type]
    running = asyncio.create_task(looking.watcher.run())
    while looking.line.revision != 1:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert looking.rewinds == [3]
