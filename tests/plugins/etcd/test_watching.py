"""A watch tells each change once, in order, and says up to where it has told all."""

import base64
import json
from typing import Any

import pytest

from les_plugins.etcd.faults import EndpointError, EtcdError
from les_plugins.etcd.store import Batch, ChangeKind, CompactedError
from les_plugins.etcd.watching import Watching
from tests.plugins.etcd.fakes import HEADER

Json = dict[str, Any]


def line(**fields: object) -> bytes:
    return json.dumps({"result": {"header": HEADER} | fields}).encode()


def kv(revision: int, name: str = "/les/a", created: int | None = None) -> Json:
    key = base64.b64encode(name.encode()).decode()
    return {"key": key, "mod_revision": str(revision), "create_revision": str(created or revision), "value": "eA=="}


def put(revision: int, name: str = "/les/a") -> Json:
    return {"kv": kv(revision, name)}


def deleted(revision: int, name: str = "/les/a") -> Json:
    key = base64.b64encode(name.encode()).decode()
    return {"type": "DELETE", "kv": {"key": key, "mod_revision": str(revision)}, "prev_kv": kv(revision - 1, name)}


def standing(revision: int = 3) -> Watching:
    watching = Watching("/les/", revision)
    watching.read(line(created=True))
    return watching


def revisions(batch: Batch) -> list[int]:
    return [change.kv.mod_revision for change in batch.changes]


def test_it_says_first_that_it_stands_and_that_nothing_has_been_told_yet() -> None:
    """etcd names its present revision there, though what lies between is still to come."""
    batch = Watching("/les/", 3).read(line(created=True))
    assert batch.changes == ()
    assert batch.header.revision == 2


def test_a_change_comes_with_what_stood_there_before() -> None:
    batch = standing().read(line(events=[put(3), deleted(4)]))
    assert [change.kind for change in batch.changes] == [ChangeKind.PUT, ChangeKind.DELETE]
    assert batch.changes[0].before is None
    assert batch.changes[1].before is not None
    assert batch.changes[1].before.value == b"x"
    assert batch.changes[1].kv.create_revision == 0


def test_behind_it_says_how_far_it_has_come_not_where_etcd_is() -> None:
    watching = standing()
    assert watching.read(line(events=[put(4)])).header.revision == 4
    assert watching.read(line()).header.revision == 7, "and without changes there were none up to that"


def test_keys_that_changed_in_one_revision_come_together() -> None:
    assert revisions(standing().read(line(events=[deleted(5), put(5, "/les/b")]))) == [5, 5]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(line(events=[put(2)]), id="before the first"),
        pytest.param(line(events=[put(5), put(4)]), id="backwards"),
        pytest.param(line(events=[put(4)], fragment=True), id="half a revision"),
        pytest.param(line(events=[put(4, "/other")]), id="another key"),
        pytest.param(line(events=[{"kv": kv(4), "prev_kv": kv(3, "/les/b")}]), id="before: another key"),
        pytest.param(line(events=[{"kv": kv(4) | {"create_revision": "0"}}]), id="never created"),
        pytest.param(line(events=[{"type": "MOVE", "kv": kv(4)}]), id="an unknown kind"),
        pytest.param(line(created=True), id="opened twice"),
        pytest.param(line(canceled=True), id="taken back without a word"),
        pytest.param(line(canceled=True, cancel_reason="\x1b[31mno"), id="taken back with odd words"),
        pytest.param(b"", id="an empty line"),
        pytest.param(b'{"result": {}}', id="no header"),
        pytest.param(b"\xff{", id="garbage"),
        pytest.param(b'{"error": {"grpc_code": 14, "message": "etcdserver: no leader"}}', id="no leader"),
    ],
)
def test_a_message_that_cannot_be_so_ends_it(bad: bytes) -> None:
    with pytest.raises(EndpointError) as caught:
        standing().read(bad)
    assert caught.value.why.isprintable()


def test_a_revision_is_told_once() -> None:
    watching = standing()
    watching.read(line(events=[put(4)]))
    with pytest.raises(EndpointError, match="out of their order"):
        watching.read(line(events=[put(4, "/les/b")]))


def test_changes_before_it_stands_are_not_believed() -> None:
    with pytest.raises(EndpointError, match="before it was open"):
        Watching("/les/", 3).read(line(events=[put(3)]))


def test_compaction_says_from_where_there_is_something_left() -> None:
    header = {name: value for name, value in HEADER.items() if name != "revision"}
    said = json.dumps({"result": {"header": header, "canceled": True, "compact_revision": "9"}}).encode()
    with pytest.raises(CompactedError) as caught:
        standing().read(said)
    assert caught.value.revision == 9


def test_a_refused_watch_says_by_which_code() -> None:
    reason = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"
    with pytest.raises(EtcdError) as caught:
        Watching("/les/", 1).read(line(created=True, canceled=True, cancel_reason=reason))
    assert caught.value.wants_token


def test_there_is_no_revision_0() -> None:
    with pytest.raises(ValueError, match="from 1 on"):
        Watching("/les/", 0)
