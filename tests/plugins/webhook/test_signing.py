"""Signatures that the project Standard Webhooks itself accepts, and secrets that are none."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from les_plugins.webhook.posting.signing import parse_secrets, sign
from tests.plugins.webhook.receivers import DELIVERY, Receiver, a_poster

OLD = "whsec_" + base64.b64encode(bytes(range(24))).decode()
NEW = "whsec_" + base64.b64encode(bytes(range(64))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()


async def test_a_receiver_verifies_what_is_posted_while_a_secret_rotates(tmp_path: Path) -> None:
    file, receiver = tmp_path / "secret", Receiver()
    file.write_text(f"{NEW}\n\n{OLD}\n")
    file.chmod(0o600)
    async with receiver.serving() as url, a_poster(url, secret_file=file) as poster:
        answer = await poster.post(DELIVERY)
    (posted,) = receiver.posted
    for secret in (NEW, OLD):
        document = Webhook(secret).verify(posted.body, posted.headers)
        assert document["id"] == posted.headers["webhook-id"]
        assert secret not in repr(answer)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(posted.body, posted.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(posted.body + b" ", posted.headers)
    first = posted.headers["webhook-signature"].split()[0]
    Webhook(NEW).verify(posted.body, posted.headers | {"webhook-signature": first})


async def test_each_attempt_has_its_own_time_and_the_same_id(tmp_path: Path) -> None:
    file, receiver, now = tmp_path / "secret", Receiver(), [1_700_000_000.9]
    file.write_text(NEW)
    file.chmod(0o600)
    async with receiver.serving() as url, a_poster(url, secret_file=file) as poster:
        poster._wall = lambda: now[0]
        await poster.post(DELIVERY)
        now[0] += 60
        await poster.post(DELIVERY)
    one, other = (posted.headers for posted in receiver.posted)
    assert (one["webhook-timestamp"], other["webhook-timestamp"]) == ("1700000000", "1700000060")
    assert one["webhook-id"] == other["webhook-id"]
    assert one["webhook-signature"] != other["webhook-signature"]


def test_it_signs_as_the_reference_does() -> None:
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
    body = '{"a": "é"}'
    theirs = Webhook(NEW).sign("msg_1", now, body)
    assert sign(parse_secrets(NEW), "msg_1", int(now.timestamp()), body.encode()) == theirs


BAD = {
    "": "holds no secret",
    "\n \n": "holds no secret",
    OLD.removeprefix("whsec_"): "line 1 is not whsec_ and base64",
    f"{NEW}\nwhsec_AAAA": "line 2 is not whsec_ and base64 of 24 to 64 bytes",
    "whsec_" + base64.b64encode(bytes(65)).decode(): "line 1 is not",
    f"{OLD}*": "line 1 is not",
    "whsec_é": "line 1 is not",
    f"{NEW}\n" * 9: "more than 8 secrets",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_secret_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"holds|line") as caught:
        parse_secrets(text)
    assert BAD[text] in str(caught.value)
    assert "AAAA" not in str(caught.value)
