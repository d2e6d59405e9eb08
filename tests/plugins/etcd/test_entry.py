"""What a node writes of itself is read back; what no node writes is refused, whatever it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_hooks.election.roles import Role
from les_hooks.members import Address, Part
from les_plugins.etcd.entry import MOST_ENTRY_BYTES, Keys, Parting, Place, read_entry, write_entry
from tests.plugins.etcd.stage import KEYS, entry

WHOLE = entry(
    "a", part=Part.OBSERVER, role=Role.DEMOTING, since=12.5, unfit="a disk is full", heir=Address("b:4000"),
    parting=Parting.GOODBYE,
)  # fmt: skip


def changed(**fields: object) -> bytes:
    """An entry in which something is otherwise."""
    return json.dumps(json.loads(write_entry(WHOLE)) | fields).encode()


def test_what_is_written_is_read_back() -> None:
    assert read_entry(write_entry(WHOLE)) == WHOLE


def test_it_is_one_line() -> None:
    assert b"\n" not in write_entry(entry("a", unfit="two\nlines"))


def test_a_field_of_a_later_version_is_left_alone() -> None:
    assert read_entry(changed(colour="blue")) == WHOLE


def test_a_field_that_is_missing_has_its_default() -> None:
    least = {key: json.loads(write_entry(WHOLE))[key] for key in ("address", "name", "boot", "version")}
    read = read_entry(json.dumps(least).encode())
    assert (read.role, read.heir, read.parting) == (Role.FOLLOWER, None, Parting.NONE)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "truncated"),
        (b"hello", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "array"),
        pytest.param(write_entry(WHOLE)[:-1] + b',"colour":' + b"[" * 3000, "recursion", id="deep"),
        (b" " * (MOST_ENTRY_BYTES + 1), "longer than"),
        (changed(address="nowhere"), "address"),
        (changed(address="A:4000"), "address"),
        (changed(heir="nowhere"), "address"),
        (changed(boot=[-1, "x"]), "boot"),
        (changed(boot=[1, "x y"]), "boot"),
        (changed(role="king"), "king"),
        (changed(ttl=0), "ttl"),
        (changed(ttl=86401), "ttl"),
        (changed(since=-1), "since"),
        (changed(parting="slammed"), "slammed"),
        (changed(name="\ud800"), "JSON"),
    ],
)
def test_what_no_node_writes_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_entry(data)


def test_words_are_made_harmless() -> None:
    read = read_entry(changed(unfit="red\x1b[31m\nalert", version="1\x07", name="not a name"))
    assert (read.unfit.isprintable(), read.version.isprintable(), read.name) == (True, True, "")


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
    lambda value: json.dumps(value).encode()
))  # fmt: skip
def test_nothing_but_a_value_error_is_ever_raised(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (of whatever reason)
        read_entry(data)


@given(st.sampled_from(Place), st.integers(1, 2**63 - 1), st.integers(1, 10**6))
def test_a_key_tells_its_place(place: Place, lease: int, stint: int) -> None:
    assert KEYS.place(KEYS.name(place, lease, stint)) is place


@pytest.mark.parametrize("rest", ["", "line", "line/", "lines/1.1", "LINE/1.1", "1.1", "/line/1.1", "queue/1.1"])
def test_a_key_of_no_node_has_no_place(rest: str) -> None:
    assert KEYS.place(f"{KEYS.prefix}{rest}") is None


def test_the_keys_of_one_cluster_are_under_a_prefix_of_their_own() -> None:
    one, other = Keys("/les-hooks", "web"), Keys("/les-hooks", "web2")
    assert not other.name(Place.LINE, 1, 1).startswith(one.prefix)
