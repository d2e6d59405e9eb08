"""How an event becomes arguments, variables and input; and that nothing hostile in it does harm there."""

import json
from pathlib import Path

from les_hooks.events import EventKind, Reason
from les_plugins.programs.calling import call
from tests.fake_context import an_event


def test_a_script_gets_the_event_as_argument_variables_and_json() -> None:
    called = call(Path("/h/elected.d/x"), an_event(), "/bin", 2.4166)
    assert called.argv == ("/h/elected.d/x", "elected")
    assert {name: value for name, value in called.env.items() if name != "HOME"} == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "LES_HOOK_API": "1",
        "LES_EVENT": "elected",
        "LES_EVENT_ID": "n1-1-7",
        "LES_SEQ": "7",
        "LES_TIME": "1700000000.250000",
        "LES_NODE": "10.0.0.1:4000",
        "LES_NAME": "a",
        "LES_CLUSTER": "web",
        "LES_ROLE": "leader",
        "LES_TERM": "3",
        "LES_LEADER": "10.0.0.1:4000",
        "LES_PREVIOUS_LEADER": "10.0.0.2:4000",
        "LES_MEMBERS": "10.0.0.1:4000 10.0.0.2:4000 [fd00::3]:4000",
        "LES_MEMBER": "",
        "LES_REASON": "leader-lost",
        "LES_REPLAY": "0",
        "LES_DEADLINE": "2.417",
    }
    assert called.stdin.endswith("\n")
    assert called.stdin.count("\n") == 1
    told = json.loads(called.stdin)
    assert (told["kind"], told["member"], told["term"]) == ("elected", None, 3)


def test_what_is_not_known_is_empty_and_a_replay_is_1() -> None:
    event = an_event(EventKind.LEADER_CHANGED, leader=None, previous_leader=None, reason=Reason.NO_LEADER, replay=True)
    env = call(Path("/x"), event, "/bin", 2.4166).env
    assert (env["LES_LEADER"], env["LES_PREVIOUS_LEADER"], env["LES_REPLAY"]) == ("", "", "1")


def test_hostile_text_loses_what_steers_terminals_and_ends_lines_and_stays_out_of_names_and_arguments() -> None:
    hostile = "a'\"\n$(reboot)\x1b[31m;`x`\0\u202e ../../etc"
    event = an_event(name=hostile, cluster=hostile, leader=hostile, member=hostile, members=(hostile,), node=hostile)
    called = call(Path("/h/x"), event, "/bin", 2.4166)
    clean = "a'\"$(reboot);`x` ../../etc"
    assert called.argv == ("/h/x", "elected")
    assert set(called.env) == set(call(Path("/h/x"), an_event(), "/bin", 2.4166).env)
    assert called.env["LES_NAME"] == called.env["LES_LEADER"] == called.env["LES_MEMBER"] == clean
    assert called.env["LES_MEMBERS"] == clean.replace(" ", "")
    assert json.loads(called.stdin)["cluster"] == clean
    assert "\\u001b" not in called.stdin


def test_a_list_of_members_that_no_variable_can_hold_is_left_out() -> None:
    event = an_event(members=tuple(f"10.{n // 250}.0.{n % 250}:4000" for n in range(10_000)))
    called = call(Path("/h/x"), event, "/bin", 2.4166)
    assert "LES_MEMBERS" not in called.env
    assert len(json.loads(called.stdin)["members"]) == 10_000
