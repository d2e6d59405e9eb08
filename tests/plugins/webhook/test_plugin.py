"""The plugin as the daemon calls it, posting over real HTTP to a receiver in a thread."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks import ConfigError, PluginError
from les_hooks.testing import Harness, les_harness
from les_plugins import webhook
from les_plugins.webhook.service import LAST_SECONDS
from tests.plugins.webhook.threaded import Thread

__all__ = ["les_harness"]  # the fixture


@pytest.fixture
def receiver() -> Iterator[Thread]:
    """A receiver."""
    with Thread().serving() as made:
        yield made


def table(receiver: Thread, **keys: object) -> dict[str, object]:
    """The plugin's table with one endpoint."""
    return {"endpoints": [{"name": "hook", "url": receiver.url, "allow_http": True, **keys}]}


def until(harness: Harness, holds: Callable[[], bool]) -> None:
    """Let the plugin work until that holds."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        harness.settle()
        time.sleep(0.01)


def endpoint(harness: Harness) -> dict[str, Any]:
    """The status of the one endpoint."""
    (found,) = harness.status()["endpoints"]
    assert isinstance(found, dict)
    return found


def test_what_happens_is_told(les_harness: Harness, receiver: Thread) -> None:
    les_harness.load(webhook, table(receiver), name="webhook")
    les_harness.start()
    assert les_harness.fire("elected", term=3).outcome == "success"
    assert les_harness.fire("demoted", term=3).outcome == "success"
    until(les_harness, lambda: receiver.kinds == ["elected", "demoted"])
    until(les_harness, lambda: endpoint(les_harness)["delivered"] == 2)
    status = les_harness.status()
    assert status["summary"] == "1 endpoint, 0 queued"
    assert les_harness.plan("elected") == ["post elected to hook"]


def test_what_was_written_before_it_posts_is_posted_later(les_harness: Harness, receiver: Thread) -> None:
    les_harness.load(webhook, table(receiver), name="webhook")
    les_harness.fire("elected")
    assert receiver.kinds == []
    les_harness.start()
    until(les_harness, lambda: receiver.kinds == ["elected"])


def test_a_receiver_that_fails_is_seen_and_costs_no_hook_anything(les_harness: Harness, receiver: Thread) -> None:
    receiver.status = 503
    les_harness.load(webhook, table(receiver, retry=["0s", "10ms"]), name="webhook")
    les_harness.start()
    for _ in range(3):
        assert les_harness.fire("elected").outcome == "success"
    until(les_harness, lambda: endpoint(les_harness)["failures"] > 2)
    found = endpoint(les_harness)
    assert (found["state"], found["queued"], found["error"]) == ("failing", 3, "status 503")
    assert "hook failing" in les_harness.status()["summary"]
    assert [record["action"] for record in les_harness.audit] == ["plugin.webhook.failing"]
    receiver.status = 204
    until(les_harness, lambda: len(receiver.events) == 3)
    until(les_harness, lambda: len(les_harness.audit) == 2)
    assert les_harness.audit[1]["action"] == "plugin.webhook.recovered"


def test_what_was_refused_is_listed_and_posted_again_when_asked(les_harness: Harness, receiver: Thread) -> None:
    receiver.status = 400
    les_harness.load(webhook, table(receiver), name="webhook")
    les_harness.start()
    event = les_harness.begin("elected")
    until(les_harness, lambda: endpoint(les_harness)["failed"] == 1)
    (letter,) = les_harness.control("failed")
    assert (letter["id"], letter["kind"], letter["attempts"]) == (event.id, "elected", 1)
    receiver.status = 204
    assert les_harness.control("replay", id=event.id) == {"hook": 1}
    until(les_harness, lambda: receiver.kinds == ["elected"])
    assert receiver.events[0]["id"] == event.id
    assert les_harness.control("replay") == {}
    with pytest.raises(PluginError, match="has no endpoint 'hok'; it has hook"):
        les_harness.control("replay", endpoint="hok")


def test_410_disables_until_an_operator_says_otherwise(les_harness: Harness, receiver: Thread) -> None:
    receiver.status = 410
    les_harness.load(webhook, table(receiver), name="webhook")
    les_harness.start()
    les_harness.fire("elected")
    until(les_harness, lambda: endpoint(les_harness)["disabled"] == "status 410")
    les_harness.fire("demoted")
    assert endpoint(les_harness)["state"] == "disabled"
    receiver.status = 204
    assert les_harness.control("replay", endpoint="hook") == {"hook": 0}, "it was enabled"
    until(les_harness, lambda: receiver.kinds == ["elected", "demoted"])
    assert endpoint(les_harness)["state"] == "ok"
    assert les_harness.control("replay", endpoint="hook") == {}


def test_a_sample_is_marked_and_shown(les_harness: Harness, receiver: Thread) -> None:
    les_harness.load(webhook, table(receiver), name="webhook")
    with pytest.raises(PluginError, match="does not post yet"):
        les_harness.control("test", endpoint="hook")
    les_harness.start()
    found = les_harness.control("test", endpoint="hook")
    assert (found["verdict"], found["status"]) == ("delivered", 204)
    assert found["request"].startswith("POST ")
    assert found["reply"].startswith("HTTP 204")
    assert receiver.events[0]["test"] is True
    assert endpoint(les_harness)["delivered"] == 0


def test_what_was_never_tried_is_posted_at_the_end(les_harness: Harness, receiver: Thread) -> None:
    les_harness.load(webhook, table(receiver), name="webhook")
    les_harness.start()
    les_harness.fire("demoted")
    les_harness.fire("stopping")
    les_harness.stop()
    assert receiver.kinds == ["demoted", "stopping"]


def test_a_receiver_that_hangs_does_not_hold_up_the_end(les_harness: Harness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        les_harness.load(webhook, {"endpoints": [{"name": "hook", "url": url, "allow_http": True}]}, name="webhook")
        les_harness.start()
        les_harness.fire("elected")
        begun = time.monotonic()
        les_harness.stop()
        assert LAST_SECONDS - 0.1 < time.monotonic() - begun < LAST_SECONDS + 1


def test_a_disk_that_says_no_fails_no_hook(les_harness: Harness, receiver: Thread, tmp_path: Path) -> None:
    les_harness.load(webhook, table(receiver), name="webhook")
    folder = tmp_path / "plugins" / "webhook"
    (folder / "outbox.sqlite").mkdir(parents=True)
    les_harness.start()
    begun = time.monotonic()
    assert les_harness.fire("elected").outcome == "success"
    assert les_harness.fire("demoted").outcome == "success"
    assert time.monotonic() - begun < 2
    assert "cannot write" in les_harness.status()["summary"]
    assert les_harness.audit[0]["action"] == "plugin.webhook.outbox-degraded"
    (folder / "outbox.sqlite").rmdir()
    until(les_harness, lambda: receiver.kinds == ["elected", "demoted"])


def test_a_dry_run_writes_nothing(les_harness: Harness, receiver: Thread, tmp_path: Path) -> None:
    les_harness.load(webhook, table(receiver), name="webhook", dry_run=True)
    les_harness.fire("elected")
    assert not (tmp_path / "plugins").exists()
    assert les_harness.logged[0]["event"] == "would-post"


def test_what_only_undoes_opens_nothing(les_harness: Harness, receiver: Thread, tmp_path: Path) -> None:
    les_harness.load(webhook, table(receiver), name="webhook")
    les_harness.fire("demoted", reason="crashed")
    assert not (tmp_path / "plugins").exists()


def test_validate_names_what_could_not_be_posted(les_harness: Harness, receiver: Thread, tmp_path: Path) -> None:
    les_harness.load(webhook, table(receiver, secret_file=str(tmp_path / "none"), format="pager"), name="webhook")
    missing, unknown = les_harness.validate()
    assert missing.startswith(f"hook: secret_file: {tmp_path / 'none'}: No such file")
    assert unknown == "hook: format: there is no format 'pager'; there are cloudevents, slack"


def test_nobody_to_tell_is_a_problem(les_harness: Harness) -> None:
    les_harness.load(webhook, name="webhook")
    assert les_harness.validate() == ["nobody is told; add [[plugins.webhook.endpoints]]"]
    assert les_harness.status()["summary"] == "posts nothing yet"


WRONG = {
    "has two endpoints called 'a'": [{"name": "a", "url": "https://x.example/"}, {"name": "a", "url_file": "u"}],
    "exactly one of url and url_file": [{"name": "a"}],
    "url is not encrypted": [{"name": "a", "url": "http://x.example/"}],
    "holds a user or a password": [{"name": "a", "url": "https://me:secret@x.example/"}],
    "is no URL of a web server": [{"name": "a", "url": "ftp://x.example/"}],
    "holds while-leader": [{"name": "a", "url": "https://x.example/", "events": ["while-leader"]}],
    'did you mean "elected"': [{"name": "a", "url": "https://x.example/", "events": ["electd"]}],
    "ends with no pause": [{"name": "a", "url": "https://x.example/", "retry": ["0s"]}],
    "is written by les-hooks itself": [{"name": "a", "url": "https://x.example/", "headers": {"Host": "y"}}],
    "more than one line": [{"name": "a", "url": "https://x.example/", "headers": {"X-A": "y\r\nHost: z"}}],
    "is no name of a header": [{"name": "a", "url": "https://x.example/", "headers": {"X A": "y"}}],
    "did you mean 'retry_for'": [{"name": "a", "url": "https://x.example/", "retry_four": "1h"}],
}


@pytest.mark.parametrize("words", WRONG)
def test_a_table_that_cannot_be_used_is_refused_with_advice(les_harness: Harness, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        les_harness.load(webhook, {"endpoints": WRONG[words]}, name="webhook")


def test_what_systemd_hands_over_later_is_not_missed_before(les_harness: Harness) -> None:
    credential = "/run/credentials/les-of-nobody.service/chat-url"
    les_harness.load(webhook, {"endpoints": [{"name": "chat", "url_file": credential}]}, name="webhook")
    assert les_harness.validate() == [f"chat: {credential} was not looked at: systemd makes it when it starts the unit"]
