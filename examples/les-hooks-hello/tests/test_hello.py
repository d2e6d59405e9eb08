"""hello, by itself: no daemon and no network is needed."""

import pytest

from les_hooks import ConfigError
from les_hooks.testing import Harness


def test_it_greets_when_elected_and_stops_when_demoted(les_harness: Harness) -> None:
    les_harness.load("hello", {"greeting": "good morning"})
    assert les_harness.fire("elected", term=3).outcome == "success"
    assert les_harness.status() == {"greeting": "good morning from a, leader in term 3"}
    assert les_harness.audit == [{"action": "plugin.hello.greeted", "outcome": "success", "greeting": "good morning"}]
    les_harness.fire("demoted")
    assert les_harness.status() == {"greeting": None}


def test_it_may_be_told_twice(les_harness: Harness) -> None:
    les_harness.load("hello")
    assert les_harness.fire("demoted", reason="startup").outcome == "success"
    assert [les_harness.fire("elected", replay=True).outcome for _ in range(2)] == ["success", "success"]


def test_it_greets_again_while_it_leads_and_may_act(les_harness: Harness) -> None:
    les_harness.load("hello", {"every": "10s"})
    les_harness.fire("elected")
    les_harness.advance(25)
    assert [line["event"] for line in les_harness.logged] == ["greeting", "greeting"]
    les_harness.authority = 0.0
    les_harness.advance(10)
    assert len(les_harness.logged) == 2
    les_harness.fire("demoted")
    assert les_harness.logged[-1]["event"] == "greeted-enough"
    assert not les_harness.working


def test_its_table_is_checked(les_harness: Harness) -> None:
    with pytest.raises(ConfigError, match="unknown key; did you mean 'greeting'"):
        les_harness.load("hello", {"greating": "hi"})


def test_an_empty_greeting_is_complained_about(les_harness: Harness) -> None:
    les_harness.load("hello", {"greeting": " "})
    assert les_harness.validate() == ["greeting: says nothing"]


def test_its_commands_are_answered(les_harness: Harness) -> None:
    les_harness.load("hello")
    assert les_harness.control("show", loud=False) == "(nobody is greeted here)"
    les_harness.fire("elected")
    assert les_harness.control("show", loud=True) == "HELLO FROM A, LEADER IN TERM 1"


def test_it_cleans_up_after_a_crash(les_harness: Harness) -> None:
    les_harness.load("hello")
    les_harness.fire("elected")
    les_harness.cleanup()
    assert les_harness.status() == {"greeting": None}


def test_a_dry_run_changes_nothing(les_harness: Harness) -> None:
    les_harness.load("hello", dry_run=True)
    les_harness.fire("elected")
    assert les_harness.status() == {"greeting": None}
    assert [line["event"] for line in les_harness.logged] == ["would-greet"]
