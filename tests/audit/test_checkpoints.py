"""Finding checkpoints in logs, however they were kept."""

import io
import json

import pytest

from les_hooks.audit.actions import CHECKPOINT
from les_hooks.audit.checkpoints import checkpoints_of
from les_hooks.config import LogFormat
from les_hooks.log import make_log

HASH = "ab" * 32
ORIGINS = {("a", "web")}


def said(form: LogFormat, *, seq: int = 41, node: str = "a", cluster: str = "web") -> str:
    """What the daemon writes."""
    stream = io.StringIO()
    make_log(form, stream=stream).bind(node=node, cluster=cluster).info(CHECKPOINT, seq=seq, hash=HASH)
    return stream.getvalue().rstrip("\n")


JSON, CONSOLE = said(LogFormat.JSON), said(LogFormat.CONSOLE)


@pytest.mark.parametrize(
    "line",
    [
        JSON,
        CONSOLE,
        CONSOLE.replace("seq", "\x1b[36mseq\x1b[0m").replace("=", "\x1b[0m=\x1b[35m"),
        f"Nov 22 11:46:35 host les[123]: {JSON}",
        f"Nov 22 11:46:35 host les[123]: {CONSOLE}",
        f"{JSON}\r",
        json.dumps({"PRIORITY": "6", "MESSAGE": JSON, "_PID": "1"}),
        json.dumps({"PRIORITY": "6", "MESSAGE": list(CONSOLE.encode()), "_PID": "1"}),
    ],
)
def test_a_checkpoint_is_found_in_whatever_stands_around_it(line: str) -> None:
    found = checkpoints_of([b"something\n", line.encode() + b"\n"], "log", ORIGINS)
    assert {seq: (one.hash, str(one.place)) for seq, one in found.items()} == {41: (HASH, "log:2")}


@pytest.mark.parametrize(
    "line",
    [
        said(LogFormat.JSON, node="b"),
        said(LogFormat.CONSOLE, cluster="other"),
        CHECKPOINT,
        f"{{{CHECKPOINT}",
        f'{{"event":"{CHECKPOINT}","seq":"x","hash":1}}',
        f'{{"event":"other","why":"{CHECKPOINT}","seq":41,"hash":"{HASH}","node":"a","cluster":"web"}}',
        f"{CHECKPOINT} seq=x hash={HASH} node=a cluster=web",
        '{"MESSAGE":null}',
        '{"MESSAGE":[999]}',
        '{"MESSAGE":{}}',
        f'{{"MESSAGE":"{CHECKPOINT}',
        "\udcff" + CHECKPOINT,
        CHECKPOINT + " " + "[" * 9000 + '"MESSAGE"',
    ],
)
def test_what_is_none_of_this_node_is_passed_over(line: str) -> None:
    assert checkpoints_of([line.encode("utf-8", "surrogateescape") + b"\n"], "log", ORIGINS) == {}


def test_the_first_of_two_that_differ_counts() -> None:
    lines = [JSON.encode(), JSON.replace("ab", "cd").encode()]
    assert checkpoints_of(lines, "log", ORIGINS)[41].hash == HASH
