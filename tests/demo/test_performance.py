"""The real demo, with real daemons: what it shows, what it measures, and that it leaves nothing behind."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.demo.conftest import StartShow

pytestmark = pytest.mark.timeout(120)

FAST = ("--pace", "0")


def test_the_whole_demo_shows_both_take_overs_and_ends_with_the_table(show: StartShow) -> None:
    demo = show(*FAST)
    code = demo.end()
    assert (code, demo.errors) == (0, ""), demo.text
    for act in (r"start a, b, c", r"kill -9 [abc]:", r"start [abc] again:", r"kill -TERM [abc]:"):
        assert re.search(rf"^ +\d+  \S \S \S  ── {act}", demo.text, re.MULTILINE), act
    assert re.search(r"^ +\d+  \S \S \S  [abc]  elected, term 1 \(first\)$", demo.text, re.MULTILINE)
    assert re.search(r"  [abc]  │ take-over: the address is mine now \(term 3\)$", demo.text, re.MULTILINE)
    assert re.search(r"  [abc]  │ one-job: step \d+ of the job that one node does$", demo.text, re.MULTILINE)
    assert re.search(r"  [abc]  │ pager: 127\.0\.0\.1:\d+ is lost \(refused\)$", demo.text, re.MULTILINE)
    table = demo.text[demo.text.index("what happened") :]
    assert re.search(r"^  a, b, c started +- +([abc])$", table, re.MULTILINE)
    assert re.search(r"^  ([abc]) was killed \(SIGKILL\) +\1 +(?!\1)[abc] +\d+ ms$", table, re.MULTILINE)
    assert re.search(r"^  ([abc]) was stopped \(SIGTERM\) +\1 +(?!\1)[abc] +\d+ ms$", table, re.MULTILINE)
    assert len(re.findall(r"^  ([abc]) came back +(?!\1)([abc]) +\2 +none needed$", table, re.MULTILINE)) == 2
    assert [line for line in demo.lines if len(line) > 80] == []
    assert "\033" not in demo.text, "colours are for terminals"
    assert demo.left_behind() == []


def test_machines_get_the_table_alone_on_standard_output(show: StartShow) -> None:
    demo = show("--json", *FAST)
    demo.end()
    report = json.loads(demo.text)
    assert report["ok"]
    assert [act["deed"] for act in report["acts"]] == ["start", "kill", "return", "stop", "return"]
    for act in report["acts"]:
        moved = act["deed"] in ("kill", "stop")
        assert (act["leader_before"] not in (None, act["leader_after"])) == moved
        assert (act["takeover_ms"] is not None) == moved
    assert "take-over: the address is mine" in demo.errors
    assert demo.left_behind() == []


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "three nodes"),
        (signal.SIGINT, "is up"),
        (signal.SIGQUIT, "elected"),
        (signal.SIGINT, "kill -9"),
        (signal.SIGINT, "again:"),
        (signal.SIGTERM, "kill -TERM"),
        (signal.SIGHUP, "one-job"),
    ],
)
def test_a_signal_at_any_moment_takes_everything_down(show: StartShow, number: signal.Signals, moment: str) -> None:
    demo = show(*FAST)
    demo.until(moment)
    demo.signal(number)
    demo.signal(number)  # an impatient second one changes nothing
    assert demo.end() == 128 + number
    assert "what happened" not in demo.text
    assert demo.left_behind() == []
    assert demo.errors == ""


def test_a_reader_that_goes_away_takes_everything_down(show: StartShow) -> None:
    demo = show(*FAST)
    demo.until("elected")
    assert demo.process.stdout is not None
    demo.process.stdout.close()
    assert demo.process.wait(timeout=30) == 128 + signal.SIGPIPE
    assert demo.left_behind() == []


def test_keep_leaves_a_cluster_that_answers_until_it_is_interrupted(show: StartShow) -> None:
    demo = show("--keep", "--pace", "0")
    demo.until("The cluster runs on")
    demo.until("ls ")
    said = demo.text[demo.text.index("The cluster runs on") :]
    url = re.search(r"curl (http://\S+/state)", said)
    status = re.search(r"(\S*les status -c .*)", said)
    assert url is not None
    assert status is not None
    with urllib.request.urlopen(url[1], timeout=10) as answer:
        assert len(json.load(answer)["members"]) == 3
    arguments = shlex.split(status[1])[1:]
    asked = subprocess.run(
        [sys.executable, "-m", "les_hooks", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert "leader" in asked.stdout
    killed = re.search(r"kill -9 (\d+)   # ([abc]), which leads", said)
    assert killed is not None
    os.kill(int(killed[1]), signal.SIGKILL)
    demo.until(f"start {killed[2]} again")
    demo.signal(signal.SIGINT)
    assert demo.end() == 0
    assert demo.left_behind() == []


PROGRAM = """
import asyncio, sys, tempfile
from pathlib import Path
from les_hooks.demo import ACTS, Director, Timeline
from les_hooks.demo.ports import free_ports

async def main(folder):
    director = Director(folder, Timeline(sys.stdout), pace=0.0, patience=1.0{more})
    try:
        {before}
        report = await director.play(ACTS[:2])
        director._timeline.table(report)
        return 0 if report.succeeded else 1
    finally:
        await director.close()

with tempfile.TemporaryDirectory() as folder:
    sys.exit(asyncio.run(main(Path(folder))))
"""


def test_a_port_that_another_process_takes_first_is_replaced(show: StartShow) -> None:
    choose = ", choose_ports=lambda count: [taken, *free_ports(count - 1)] if tries.pop() else free_ports(count)"
    prelude = (
        "import socket\nlistener = socket.create_server(('127.0.0.1', 0))\n"
        "taken = listener.getsockname()[1]\ntries = [False, True]\n"
    )
    demo = show(argv=("-c", prelude + PROGRAM.format(more=choose, before="pass")))
    assert demo.end() == 0, demo.text
    assert "the port of a was taken; again" in demo.text
    assert demo.left_behind() == []


def test_a_take_over_that_does_not_happen_in_time_fails_the_demo(show: StartShow) -> None:
    mute = "(folder / 'hooks.d/elected.d/take-over').write_text('#!/bin/sh\\n')"
    demo = show(argv=("-c", PROGRAM.format(more="", before=mute)))
    assert demo.end() == 1, demo.text
    assert "nobody took over in time" in demo.text
    assert re.search(r"was killed \(SIGKILL\) .* not in time$", demo.text, re.MULTILINE)
    assert demo.left_behind() == []
