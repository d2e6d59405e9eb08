"""What is answered: read as etcd writes it, and refused where etcd would not have written it."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_plugins.etcd import answers
from les_plugins.etcd.faults import EndpointError, EtcdError
from les_plugins.etcd.store import Comparison, Delete, Header, KeyValue, Put, Range, Ranged, Transaction
from tests.plugins.etcd.fakes import HEADER

READ = Header(cluster_id=int(HEADER["cluster_id"]), member_id=int(HEADER["member_id"]), revision=7, raft_term=2)
ALL = Range(key="/", prefix=True)
BOTH = Transaction(
    compare=(Comparison(key="/a", create_revision=0),),
    then=(Put(key="/a", value=b"", lease=0), Delete(key="/b"), Range(key="/a")),
    otherwise=(Range(key="/a"),),
)
PUT: dict[str, Any] = {"response_put": {"header": {"revision": "7"}}}
DELETED: dict[str, Any] = {"response_delete_range": {"header": {"revision": "7"}, "deleted": "1"}}
FOUND: dict[str, Any] = {"response_range": {"header": {"revision": "7"}}}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def answer(**fields: object) -> bytes:
    return json.dumps({"header": HEADER} | fields).encode()


def key(name: str = "/a", **fields: str) -> dict[str, str]:
    return {"key": b64(name), "create_revision": "3", "mod_revision": "4", "version": "2", **fields}


KEY_VALUES = st.builds(
    KeyValue,
    key=st.text(max_size=20).filter(lambda text: text.isprintable()).map(lambda text: f"/{text}"),
    value=st.binary(max_size=50),
    create_revision=st.integers(1, 2**63 - 1),
    mod_revision=st.integers(1, 2**63 - 1),
    lease=st.integers(0, 2**63 - 1),
)


def written(kv: KeyValue) -> dict[str, str]:
    """As etcd does: what is 0 or empty is left out."""
    numbers = {name: getattr(kv, name) for name in ("create_revision", "mod_revision", "lease")}
    value = {"value": base64.b64encode(kv.value).decode()} if kv.value else {}
    return {"key": b64(kv.key)} | {name: str(number) for name, number in numbers.items() if number} | value


@given(st.lists(KEY_VALUES, max_size=5, unique_by=lambda kv: kv.key), st.integers(0, 3))
def test_keys_are_read_as_they_were_written(kvs: list[KeyValue], more: int) -> None:
    kvs.sort(key=lambda kv: kv.key.encode())
    count = len(kvs) + more
    body = answer(kvs=[written(kv) for kv in kvs], **({"count": str(count)} if count else {}))
    assert answers.read_ranged(body, ALL) == Ranged(header=READ, kvs=tuple(kvs), count=count)


def test_a_lease_is_read() -> None:
    granted = answers.read_granted(answer(ID="4390624826805347845", TTL="5"))
    assert (granted.header, granted.lease, granted.ttl) == (READ, 4390624826805347845, 5)


def test_a_keep_alive_without_a_life_is_of_a_lease_that_is_gone() -> None:
    assert (
        answers.read_kept(json.dumps({"result": {"header": HEADER, "ID": "5", "TTL": "5"}}).encode() + b"\n").ttl == 5
    )
    assert answers.read_kept(json.dumps({"result": {"header": HEADER, "ID": "5"}}).encode()).ttl == 0


def test_a_keep_alive_may_fail_with_a_good_status() -> None:
    said = {"error": {"grpc_code": 14, "http_code": 503, "message": "etcdserver: no leader"}}
    with pytest.raises(EndpointError, match="no leader"):
        answers.read_kept(json.dumps(said).encode())
    said["error"] |= {"grpc_code": 16, "message": "etcdserver: invalid auth token"}
    with pytest.raises(EtcdError) as caught:
        answers.read_kept(json.dumps(said).encode())
    assert caught.value.wants_token


def test_how_long_a_lease_lasts_is_read_also_when_it_is_gone_or_about_to_go() -> None:
    assert answers.read_life(answer(ID="5", TTL="3", grantedTTL="5")).ttl == 3
    assert answers.read_life(answer(ID="5", grantedTTL="5")).ttl == 0
    assert answers.read_life(answer(ID="5", TTL="-1")).ttl == -1


def test_a_transaction_tells_what_its_ranges_found() -> None:
    found = {"response_range": {"header": {"revision": "7"}, "kvs": [key()], "count": "1"}}
    done = answers.read_transacted(answer(succeeded=True, responses=[PUT, DELETED, found]), BOTH)
    assert done.succeeded
    assert [ranged.kvs[0].key for ranged in done.ranged] == ["/a"]
    undone = answers.read_transacted(answer(responses=[FOUND]), BOTH)
    assert not undone.succeeded
    assert undone.ranged == (Ranged(header=READ, kvs=(), count=0),)


def test_a_strangers_key_that_is_no_text_is_told_readably() -> None:
    name = base64.b64encode(b"/\xff\xfe").decode()
    body = answer(kvs=[{"key": name, "create_revision": "1", "mod_revision": "1"}], count="1")
    assert answers.read_ranged(body, ALL).kvs[0].key == r"/\xff\xfe"


def ranged(body: bytes) -> object:
    return answers.read_ranged(body, ALL)


def transacted(body: bytes) -> object:
    return answers.read_transacted(body, BOTH)


MALFORMED: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "nothing": (ranged, b""),
    "no JSON": (ranged, b"<html>"),
    "no UTF-8": (ranged, b'{"header": "\xff"}'),
    "nested without end": (ranged, b"[" * 100_000),
    "no header": (ranged, b"{}"),
    "a header without a revision": (ranged, json.dumps({"header": HEADER | {"revision": "0"}}).encode()),
    "a number past 64 bits": (ranged, answer(count=str(2**63))),
    "a negative number": (ranged, answer(count="-1")),
    "a number that is none": (ranged, answer(count="many")),
    "null for nothing": (ranged, answer(kvs=None)),
    "a key that is no base64": (ranged, answer(kvs=[key() | {"key": "!"}], count="1")),
    "an empty key": (ranged, answer(kvs=[key("")], count="1")),
    "a key without a revision": (ranged, answer(kvs=[{"key": b64("/a")}], count="1")),
    "a key that was never created": (ranged, answer(kvs=[key() | {"create_revision": "0"}], count="1")),
    "a key that was not asked for": (ranged, answer(kvs=[key("other")], count="1")),
    "a key twice": (ranged, answer(kvs=[key(), key()], count="2")),
    "keys out of order": (ranged, answer(kvs=[key("/b"), key("/a")], count="2")),
    "more keys than there are": (ranged, answer(kvs=[key()])),
    "fewer results than operations": (transacted, answer(succeeded=True, responses=[PUT])),
    "more results than operations": (transacted, answer(responses=[FOUND, FOUND])),
    "results of other operations": (transacted, answer(succeeded=True, responses=[DELETED, PUT, FOUND])),
    "a result that is two": (transacted, answer(responses=[FOUND | PUT])),
    "a result that is none": (transacted, answer(responses=[{}])),
    "a lease without a number": (answers.read_granted, answer(TTL="5")),
    "a lease of no time": (answers.read_granted, answer(ID="5")),
    "a keep-alive for ever": (
        answers.read_kept,
        json.dumps({"result": {"header": HEADER, "TTL": str(2**62)}}).encode(),
    ),
    "a keep-alive twice": (answers.read_kept, json.dumps({"result": {"header": HEADER}}).encode() * 2),
    "a life before its end": (answers.read_life, answer(TTL="-2")),
    "no token": (answers.read_token, answer()),
    "a token that breaks the header": (answers.read_token, answer(token="a\r\nX-Other: 1")),
    "a version with escapes": (answers.read_version, b'{"etcdserver": "\\u001b[31m3.4"}'),
}


@pytest.mark.parametrize(("read", "body"), MALFORMED.values(), ids=MALFORMED)
def test_what_etcd_would_not_say_is_refused(read: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(EndpointError, match="not understood") as caught:
        read(body)
    assert caught.value.why.isprintable()
    assert len(caught.value.why) < 300


@given(st.binary(max_size=200))
def test_whatever_bytes_come_nothing_else_is_raised(body: bytes) -> None:
    for read in (ranged, transacted, answers.read_granted, answers.read_kept, answers.read_life, answers.read_token):
        with pytest.raises(EndpointError):
            read(body)
