"""What receivers get: CloudEvents that their SDK takes, and a line for a chat that says what happened."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from les_hooks import Event, EventKind, Reason
from les_plugins.webhook.contract import Delivery, Outgoing
from les_plugins.webhook.formats import BUNDLED, in_words
from tests.fake_context import an_event


def made(form: str, /, **fields: Any) -> Any:
    test = bool(fields.pop("test", False))
    outgoing = BUNDLED[form](Delivery(id="msg-a-1-7", event=an_event(**fields), test=test))
    return json.loads(outgoing.body)


def taken(outgoing: Outgoing) -> Any:
    """What a receiver with the SDK of CloudEvents makes of it."""
    return from_structured_event(HTTPMessage(headers={"content-type": outgoing.content_type}, body=outgoing.body))


def test_the_sdk_of_cloudevents_takes_an_event_and_finds_all_of_it() -> None:
    event = an_event(seq=7, time=1700000000.25)
    found = taken(BUNDLED["cloudevents"](Delivery(id="msg-a-1-7", event=event)))
    assert found.get_id() == "msg-a-1-7"
    assert found.get_source() == "/les/web/a"
    assert found.get_type() == "io.les.elected.v1"
    assert found.get_specversion() == "1.0"
    assert found.get_time() == datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)
    assert found.get_subject() == "10.0.0.1:4000"
    assert found.get_datacontenttype() == "application/json"
    assert found.get_extension("test") is None
    assert msgspec.convert(found.get_data(), Event) == event


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_is_a_cloudevent(kind: EventKind) -> None:
    found = taken(BUNDLED["cloudevents"](Delivery(id="m", event=an_event(kind, member="10.0.0.2:4000"))))
    assert found.get_type() == f"io.les.{kind}.v1"
    assert found.get_subject() == "10.0.0.2:4000"


def test_the_sequence_sorts_as_text_as_it_does_as_numbers() -> None:
    numbers = [0, 1, 9, 10, 99, 2**31, 2**53]
    texts = [made("cloudevents", seq=number)["sequence"] for number in numbers]
    assert all(isinstance(text, str) for text in texts)
    assert sorted(texts) == texts
    assert list(map(int, texts)) == numbers


def test_a_sample_is_marked() -> None:
    assert made("cloudevents", test=True)["test"] is True
    assert made("cloudevents", test=True)["type"] == "io.les.test.v1"
    assert "test" not in made("cloudevents")
    assert made("slack", test=True)["text"].startswith("[test] web: a leads now")
    assert made("slack")["text"].startswith("web: a leads now")


def test_what_happened_is_said_in_one_sentence() -> None:
    assert in_words(an_event()) == (
        "web: a leads now (term 3), because the leader before could not be reached any more."
    )
    assert in_words(an_event(EventKind.LEADER_CHANGED, leader=None, reason=Reason.NO_LEADER)) == (
        "web: a sees that nobody leads."
    )
    assert in_words(an_event(EventKind.LEADER_CHANGED)) == (
        "web: a leads (term 3), because the leader before could not be reached any more."
    )
    assert in_words(an_event(EventKind.LEADER_CHANGED, leader="b:4000", reason=Reason.FIRST)) == (
        "web: a sees that b:4000 leads (term 3), because nobody led before."
    )
    assert in_words(an_event(EventKind.STARTED, reason=Reason.STARTUP)) == "web: a has started, and a leads (term 3)."
    assert in_words(an_event(EventKind.DEMOTED, reason=Reason.STARTUP)) == (
        "web: a does not lead (term 3), because the node has just started."
    )
    assert in_words(an_event(EventKind.MEMBER_LOST, member="b:4000", reason=Reason.TIMEOUT)) == (
        "web: b:4000 is lost, because nobody heard it in time."
    )
    assert in_words(an_event(EventKind.MEMBER_LEFT, member="b:4000", reason=Reason.GOODBYE)) == "web: b:4000 has left."


@pytest.mark.parametrize("kind", EventKind)
@pytest.mark.parametrize("reason", Reason)
def test_every_event_has_words(kind: EventKind, reason: Reason) -> None:
    words = in_words(an_event(kind, reason=reason, member="10.0.0.2:4000"))
    assert re.fullmatch(r"web: .+\.", words)
    assert "None" not in words


def test_a_name_is_no_markup_in_a_chat() -> None:
    """Names cannot hold these characters; should that change, a mention of everybody must not come of it."""
    document = made("slack", name="<!channel> & co")
    assert "&lt;!channel&gt; &amp; co" in document["text"]
    assert document["mrkdwn"] is False
