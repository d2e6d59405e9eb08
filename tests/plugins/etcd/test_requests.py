"""What is asked stands in the form that etcd's gateway has documented: base64, and numbers as texts."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from les_plugins.etcd.requests import (
    write_authenticate,
    write_grant,
    write_lease,
    write_range,
    write_transaction,
    write_watch,
)
from les_plugins.etcd.store import Comparison, Delete, Put, Range, Transaction

KEYS = st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable())
NUMBERS = st.integers(1, 2**63 - 1)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_numbers_travel_as_texts() -> None:
    assert json.loads(write_grant(5)) == {"TTL": "5"}
    assert json.loads(write_lease(2**62)) == {"ID": str(2**62)}


def test_a_user_comes_with_a_password() -> None:
    assert json.loads(write_authenticate("les", 'p"w')) == {"name": "les", "password": 'p"w'}


def test_a_range_of_one_key_says_no_more_than_that() -> None:
    assert json.loads(write_range(Range(key="/a"))) == {"key": b64("/a")}


@given(KEYS, NUMBERS, NUMBERS)
def test_a_prefix_is_all_keys_from_it_up_to_the_first_that_does_not_begin_so(key: str, least: int, limit: int) -> None:
    asked = json.loads(write_range(Range(key=key, prefix=True, min_mod_revision=least, limit=limit, keys_only=True)))
    end = base64.b64decode(asked["range_end"])
    name = key.encode()
    assert asked["key"] == b64(key)
    assert name < name + b"\xff" * 9 < end
    assert end[:-1] == name[:-1]
    assert asked["min_mod_revision"] == str(least)
    assert asked["limit"] == str(limit)
    assert asked["keys_only"] is True
    assert "serializable" not in asked, "that would read past the quorum"


def test_a_transaction_compares_when_keys_were_created() -> None:
    transaction = Transaction(
        compare=(Comparison(key="/a", create_revision=0),),
        then=(Put(key="/a", value=b"\xff\x00", lease=9), Put(key="/b", value=b"", lease=0), Delete(key="/c")),
        otherwise=(Range(key="/a"),),
    )
    assert json.loads(write_transaction(transaction)) == {
        "compare": [{"key": b64("/a"), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}],
        "success": [
            {"request_put": {"key": b64("/a"), "value": "/wA=", "lease": "9"}},
            {"request_put": {"key": b64("/b"), "value": ""}},
            {"request_delete_range": {"key": b64("/c")}},
        ],
        "failure": [{"request_range": {"key": b64("/a")}}],
    }


def test_a_watch_asks_for_what_stood_there_before() -> None:
    assert json.loads(write_watch("/a/", 12)) == {
        "create_request": {
            "key": b64("/a/"),
            "range_end": b64("/a0"),
            "start_revision": "12",
            "prev_kv": True,
            "progress_notify": True,
        }
    }


def test_the_empty_prefix_which_is_all_of_etcd_is_never_asked_for() -> None:
    with pytest.raises(ValueError, match="empty key"):
        write_watch("", 1)
