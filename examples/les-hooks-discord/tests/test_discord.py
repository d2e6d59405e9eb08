"""discord, by itself: no daemon and no network is needed."""

import json
from typing import Any

import pytest

from les_hooks import ConfigError
from les_hooks.testing import Harness
from les_plugins.webhook.formats import FORMATS, Delivery


def message(harness: Harness, *, test: bool = False, **fields: Any) -> Any:
    """What Discord is told of an event."""
    write: Any = harness.offers(FORMATS)["discord"]
    outgoing = write(Delivery(id="a-1", event=harness.event("elected", **fields), test=test))
    assert outgoing.content_type == "application/json"
    return json.loads(outgoing.body)


def test_an_event_is_a_message_that_calls_nobody(les_harness: Harness) -> None:
    les_harness.load("discord")
    told = message(les_harness, term=3)
    assert told["username"] == "les-hooks"
    assert "a leads now (term 3)" in told["content"]
    assert told["allowed_mentions"] == {"parse": []}


def test_a_name_is_no_markup(les_harness: Harness) -> None:
    les_harness.load("discord")
    assert r"\_a\_ leads now" in message(les_harness, name="_a_")["content"]


def test_a_sample_is_marked(les_harness: Harness) -> None:
    les_harness.load("discord", {"username": "leader"})
    told = message(les_harness, test=True)
    assert told["content"].startswith("[test] ")
    assert told["username"] == "leader"


def test_it_offers_nothing_else(les_harness: Harness) -> None:
    les_harness.load("discord")
    assert les_harness.offers("something.else") == {}


def test_its_table_is_checked(les_harness: Harness) -> None:
    with pytest.raises(ConfigError, match="did you mean 'username'"):
        les_harness.load("discord", {"user": "x"})
