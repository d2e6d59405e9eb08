"""`les audit show` and `les history`: what they choose, how they tell it, and that long trails are no trouble."""

import gzip
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from les_hooks.audit.actions import Action
from les_hooks.audit.files import find
from les_hooks.audit.leaderships import leaderships
from les_hooks.audit.window import Flaw, forwards, last, within
from les_hooks.cli.names import Names
from les_hooks.cli.selection import Selection
from les_hooks.cli.story import sentence
from tests.audit.records import record as written
from tests.cli.conftest import Les
from tests.cluster import Cluster, Daemon

LIMIT_SECONDS = 20.0


def record(seq: int, action: str, **more: object) -> dict[str, Any]:
    """A record, `seq` seconds past a quarter past eight."""
    return written(15 * 60 + seq, action, seq=seq, **more)


def lines(*records: Mapping[str, object]) -> bytes:
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in records)


RECORDS = [
    record(1, "node.started", version="\x1b[31m", crashed_before=False),
    record(2, "leader.changed", leader="b:1", leader_name="db-2", reason="first", event_id="e-1", members=["c:1"]),
    record(3, "hook.finished", outcome="timeout", event_id="e-1", reason="no answer", plugin="vip", event="elected"),
    record(4, "leader.changed", leader="c:1", reason="leader-lost", term=2, event_id="e-2", vacant_ms=1520.0),
    record(5, "plugin.vip.taken", outcome="failure", term=2, event_id="e-2", address="10.0.0.9", prev="x", hash="y"),
    record(6, "operator.request", term=5, uid=0, command="transfer", arguments={"target": "d"}, leader_name="db-2"),
    record(7, "member.lost", term=6, member="d:1", member_name="d", leader="c:1", reason="timeout", event_id="e-3"),
]


@pytest.fixture
def node(config_file: Path) -> Path:
    """The configuration of a node that is never started; its trail is in three files, with a damaged line."""
    path = trail_of(config_file)
    path.parent.mkdir()
    path.with_name("audit.jsonl.2.gz").write_bytes(gzip.compress(lines(*RECORDS[:2])))
    path.with_name("audit.jsonl.1").write_bytes(b'{"torn\n' + lines(*RECORDS[2:4]))
    path.write_bytes(lines(*RECORDS[4:]))
    return config_file


def trail_of(config: Path) -> Path:
    return config.parent / "state" / "audit.jsonl"


def shown(config: Path, *words: str) -> list[int]:
    """The numbers of the records that are printed."""
    result = Les(config)("audit", "show", "--json", *words)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["seq"] for line in result.stdout.splitlines()]


MANY = 200_000


@pytest.fixture(scope="module")
def long_trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trail of five hours and more than 200 000 records."""
    path = tmp_path_factory.mktemp("long") / "audit.jsonl"
    template = lines(record(0, "hook.finished", plugin="scripts", event="member-joined", duration_ms=0.2)).decode()
    with path.open("w") as file:
        for seq in range(1, MANY + 1):
            hours, tenths = divmod(seq, 36_000)
            moment = f"2026-03-01T{8 + hours:02}:{tenths // 600:02}:{tenths // 10 % 60:02}.{tenths % 10}00000Z"
            line = template.replace("2026-03-01T08:15:00.000000Z", moment).replace('"seq":0', f'"seq":{seq}')
            file.write(line)
    return path


# -- what is shown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7]),
        ("--last 1", [7]),
        ("--last 4", [4, 5, 6, 7]),
        ("--last 6", [2, 3, 4, 5, 6, 7]),
        ("--last 100", [1, 2, 3, 4, 5, 6, 7]),
        ("--action leader.*", [2, 4]),
        ("--action leader.* --action node.started", [1, 2, 4]),
        ("--action leader.* --last 1", [4]),
        ("--event e-1", [2, 3]),
        ("--event e-1 --last 1", [3]),
        ("--since 2026-03-01T08:15:03+00:00", [3, 4, 5, 6, 7]),
        ("--until 2026-03-01T08:15:03+00:00", [1, 2, 3]),
        ("--since 2026-03-01T08:15:03+00:00 --until 2026-03-01T08:15:05+00:00", [3, 4, 5]),
        ("--since 2026-03-01T08:15:03+00:00 --last 2", [6, 7]),
        ("--until 2026-03-01T08:15:03+00:00 --last 2", [2, 3]),
        ("--since 1h", []),
        ("--since 3000d --last 1", [7]),
        ("--term 2", [4, 5]),
        ("--term 2-5", [4, 5, 6]),
        ("--outcome failure", [5]),
        ("--outcome failure --outcome timeout", [3, 5]),
        ("--plugin vip", [3, 5]),
        ("--plugin vip --term 1", [3]),
        ("--member b:1", [2]),
        ("--member db-2", [2]),
        ("--member c:1", [4]),
        ("--member d", [6, 7]),
        ("--member nobody", []),
    ],
)
def test_show_selects_over_all_files(node: Path, words: str, seqs: list[int]) -> None:
    assert shown(node, *words.split()) == seqs


@pytest.mark.parametrize(
    "words",
    [
        "--since yesterday",
        "--term x",
        "--term 5-",
        "--outcome maybe",
        "--last 0",
        "--follow --until 1h",
        "--until 1e999",
    ],
)
def test_what_makes_no_sense_is_a_usage_error(node: Path, words: str) -> None:
    assert Les(node)("audit", "show", *words.split()).exit_code == 2


def test_records_are_printed_as_they_are(node: Path) -> None:
    result = Les(node)("audit", "show", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == RECORDS


@pytest.mark.parametrize("words", [(), ("--last", "7")])
def test_damage_is_told_with_its_place_and_what_cannot_be_read_too(node: Path, words: tuple[str, ...]) -> None:
    trail = trail_of(node)
    trail.with_name("audit.jsonl.3").write_bytes(b"nothing\n")
    errors = Les(node)("audit", "show", *words).stderr
    assert f"{trail}.1:1: is not JSON: {{" in errors
    assert f"{trail}.3: has no record in its first 100 lines" in errors


def test_damage_without_end_is_not_told_without_end(node: Path) -> None:
    trail_of(node).write_bytes(lines(RECORDS[4]) + b"\x1b[2J\n" * 500 + lines(RECORDS[6]))
    result = Les(node)("audit", "show", "--last", "3")
    assert len(result.stderr.splitlines()) <= 22
    assert f"{trail_of(node)}:501: is not JSON" in result.stderr
    assert "\x1b" not in result.stderr
    assert "480 more lines are no records" in result.stderr


def test_without_a_trail_both_commands_say_so(config_file: Path) -> None:
    for words in (("audit", "show"), ("history",), ("audit", "show", "-f")):
        result = Les(config_file)(*words)
        assert result.exit_code == 1
        assert "there is no such file" in result.stderr


def test_a_trail_that_is_none_is_refused_and_not_waited_for(config_file: Path) -> None:
    trail_of(config_file).parent.mkdir()
    os.mkfifo(trail_of(config_file))
    for words in (("audit", "show"), ("history",), ("audit", "show", "-f")):
        result = Les(config_file)(*words)
        assert result.exit_code == 1
        assert "cannot be read (is no plain file)" in result.stderr


@pytest.mark.parametrize("words", [(), ("--json",), ("--json", "-f")])
def test_who_has_read_enough_ends_it_without_a_word(long_trail: Path, words: tuple[str, ...], tmp_path: Path) -> None:
    config = Daemon(tmp_path / "a", 4999, [4999], f'[log]\naudit = "{long_trail}"\n').config
    argv = [sys.executable, "-m", "les_hooks", "audit", "show", "--since", "2026-03-01", *words, "-c", str(config)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.wait(LIMIT_SECONDS)


# -- how it is told ----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_story_is_told_in_sentences(node: Path) -> None:
    told = Les(node)("audit", "show").stdout.splitlines()
    assert told == [
        "2026-03-01",
        r"08:15:01.000  daemon          begins to run, version \x1b[31m",
        "08:15:02.000  leader-changed  db-2 (b:1) leads term 1 (first)",
        "08:15:03.000    vip           elected: timeout: no answer",
        "08:15:04.000  leader-changed  c:1 leads term 2 (leader-lost); saw no leader for 1.52 s",
        "08:15:05.000    vip           taken: failure  address=10.0.0.9",
        "08:15:06.000  operator        uid 0 asked for transfer target=d",
        "08:15:07.000  member-lost     d (d:1) (timeout)",
    ]


@pytest.mark.parametrize(
    ("each", "told"),
    [
        (
            record(1, "node.started", version="1.2", crashed_before=True),
            "begins to run, version 1.2; the one before died",
        ),
        (record(1, "node.settled", members=["a", "b"]), "sees the cluster for the first time: 2 members"),
        (record(1, "node.stopped", outcome="failure"), "has ended, not in order"),
        (record(1, "node.unfit", reason="disk is full"), "may not lead: disk is full"),
        (record(1, "leader.demoted", reason="slept", term=4), "leads no more, term 4 (slept)"),
        (
            record(1, "leader.demoted", reason="startup"),
            "clears what a process before may have left behind (startup)",
        ),
        (record(1, "leader.changed", reason="no-leader"), "nobody leads (no-leader)"),
        (record(1, "leader.reasserted", reason="reload", replay=True), "still leads, term 1 (reload) (told before)"),
        (record(1, "hook.finished", event="elected", duration_ms=12.34), "elected: 12.3 ms"),
        (
            record(1, "hook.finished", event="elected", duration_ms=30_004, outcome="timeout", reason="x", attempt=2),
            "elected: timeout after 30 s (attempt 2): x",
        ),
        (record(1, "hook.finished", outcome="dropped", event="demoted"), "demoted: dropped"),
        (
            record(1, "maintenance.begun", uid=7, until=0.0, reason="disk"),
            "begun by uid 7, until 1970-01-01 00:00:00 (disk)",
        ),
        (record(1, "cleanup.run", failed=["vip"]), 'could not undo all: ["vip"]'),
        (record(1, "config.reloaded", changed=["hooks.timeout"]), "read again, with changes in hooks.timeout"),
        (record(1, "config.reloaded", changed=[]), "read again, nothing has changed"),
        (record(1, "node.settled", members=["a"]), "sees the cluster for the first time: 1 member"),
        (
            record(1, "operator.request", command="step-down", uid=0, arguments={"note": ""}),
            "uid 0 asked for step-down",
        ),
        (
            record(1, "plugin.scripts.script", path="/etc/les/hooks.d/10-ip", event="elected", duration_ms=4, cut=0),
            "hooks.d/10-ip elected: 4 ms",
        ),
        (
            record(
                1,
                "plugin.scripts.script",
                outcome="failure",
                reason="exited with 3",
                path="/etc/les/hooks.d/elected.d/10-ip",
                event="elected",
                exit_code=3,
                duration_ms=4,
                cut=7,
            ),
            "elected.d/10-ip elected: failure after 4 ms, 7 bytes of its output were dropped: exited with 3",
        ),
        (record(1, "plugin.scripts.script"), "None None: success"),
        (record(1, "audit.opened", torn_bytes=7), "begins to write; the last line was torn, 7 bytes of it are left"),
        (record(1, "future.thing", outcome="failure", reason="r", n=0, gone=None), "thing: failure: r  n=0"),
        (record(1, "hook.finished", event=None, duration_ms="soon", attempt="x"), "a call: success (attempt x)"),
        (record(1, "maintenance.begun", uid=None, until=[]), "begun by uid None, until []"),
        (record(1, "maintenance.begun", uid=0, until=1e300), "begun by uid 0, until -"),
        (record(1, "operator.request", command=[], arguments=3), "uid None asked for []"),
        (
            record(1, "operator.answer", command="transfer", uid=0, request=41),
            "transfer, asked for by uid 0 (#41): was done",
        ),
        (
            record(
                1, "operator.answer", outcome="failure", reason="nobody leads", command="transfer", uid=0, request=41
            ),
            "transfer, asked for by uid 0 (#41): failure: nobody leads",
        ),
        (
            record(1, "audit.opened", torn_bytes=7, torn_kept="audit.jsonl.torn-1"),
            "begins to write; the last line was torn, 7 bytes of it are set aside in audit.jsonl.torn-1",
        ),
    ],
)
def test_each_record_is_a_sentence(each: Mapping[str, Any], told: str) -> None:
    assert sentence(each, Names(Path("/nowhere"))).text == told


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
_FIELDS = ("duration_ms", "members", "member", "until", "uid", "plugin", "event", "failed", "arguments", "vacant_ms")
_CORE = ("time", "seq", "boot", "outcome", "reason", "term", "leader", "event_id")


@given(
    action=st.sampled_from([*Action, "plugin.x.y", "plugin", ""]) | _VALUES,
    values=st.fixed_dictionaries(dict.fromkeys(_CORE, _VALUES), optional=dict.fromkeys(_FIELDS, _VALUES)),
)
@settings(max_examples=300, deadline=None)
def test_a_record_of_nonsense_is_no_trouble(action: Any, values: dict[str, Any]) -> None:
    """Anybody may have written to the file; what has the fields of a record is one."""
    given_record = {**record(1, ""), "action": action, **values}
    sentence(given_record, Names(Path("/nowhere")))
    leaderships([given_record, given_record | {"boot": 2}])
    selection = Selection(since=1.0, actions=("leader.*",), event="e", terms=(1, 2), members=("a",), plugin="p")
    for field in fields(Selection):
        Selection(**{field.name: getattr(selection, field.name)}).wants(given_record)


def test_every_record_of_a_real_cluster_is_told(pair: Cluster, leader: Daemon) -> None:
    told = leader.les("audit", "show").stdout
    stored = [json.loads(line) for line in trail_of(leader.config).read_text().splitlines()]
    assert len(told.splitlines()) >= len(stored)
    assert "elected         leads term 1 (first)" in told
    assert f"leader-changed  {leader.name} ({leader.address}) leads term 1 (first)" in told
    assert "    scripts       elected: " in told


def test_colours_and_wrapped_lines_are_for_terminals(node: Path) -> None:
    assert "\x1b" not in Les(node)("audit", "show").stdout
    told = on_a_terminal(node, "audit", "show", columns=50)
    assert "\x1b[36m" in told
    assert "\x1b[31m\\x1b" not in told
    plain = told.replace("\r", "").split("\n")
    start = next(i for i, line in enumerate(plain) if "c:1 leads" in line)
    assert plain[start + 1].startswith(" " * 30)


def on_a_terminal(config: Path, *words: str, columns: int) -> str:
    """What is printed on a terminal that is so wide."""
    main, side = os.openpty()
    environ = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    environ.pop("NO_COLOR", None)
    argv = [sys.executable, "-m", "les_hooks", *words, "-c", str(config)]
    with subprocess.Popen(argv, stdout=side, stderr=subprocess.DEVNULL, env=environ) as process:
        os.close(side)
        told = b""
        with open(main, "rb", buffering=0) as out:
            while select.select([out], [], [], LIMIT_SECONDS)[0]:
                try:
                    told += out.read(65536)
                except OSError:  # the other end is closed
                    break
        assert process.wait(LIMIT_SECONDS) == 0
    return told.decode()


# -- following ---------------------------------------------------------------------------------------------------------


class Following:
    """`les audit show -f` as a process; `line` is what it prints next."""

    def __init__(self, config: Path, *words: str) -> None:
        argv = [sys.executable, "-m", "les_hooks", "audit", "show", "-f", *words, "-c", str(config)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self) -> str:
        out = self.process.stdout
        assert out is not None
        assert select.select([out], [], [], LIMIT_SECONDS)[0], "nothing came"
        return _unbuffered_line(out)

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; how it ended, and what it said beside."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=LIMIT_SECONDS)
        return self.process.returncode, errors


def _unbuffered_line(out: IO[str]) -> str:
    """One byte after another, so that nothing is held back from `select`."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(out.fileno(), 1)
    return line.decode()


def append(path: Path, *records: Mapping[str, object]) -> None:
    with path.open("ab") as file:
        file.write(lines(*records))


def test_following_goes_on_over_a_rotation_until_it_is_ended(node: Path) -> None:
    trail = trail_of(node)
    following = Following(node, "--json", "--action", "member.*", "--last", "1")
    try:
        assert json.loads(following.line())["seq"] == 7
        append(trail, record(8, "member.left"), record(9, "hook.finished"))
        assert json.loads(following.line())["seq"] == 8
        trail.rename(trail.with_name("audit.jsonl.0"))
        append(trail.with_name("audit.jsonl.0"), record(10, "member.joined"))
        append(trail, record(11, "member.lost"))
        assert [json.loads(following.line())["seq"] for _ in range(2)] == [10, 11]
    finally:
        code, errors = following.end()
    assert code == 0
    assert "Traceback" not in errors


def test_following_begins_with_the_last_ten(node: Path) -> None:
    append(trail_of(node), *(record(seq, "hook.finished") for seq in range(8, 30)))
    following = Following(node, "--json")
    try:
        assert [json.loads(following.line())["seq"] for _ in range(10)] == list(range(20, 30))
        append(trail_of(node), record(30, "node.stopped"))
        assert json.loads(following.line())["seq"] == 30
    finally:
        assert following.end()[0] == 0


# -- history -----------------------------------------------------------------------------------------------------------


def test_history_tells_who_led_how_it_ended_and_how_long_the_hand_over_took(node: Path) -> None:
    header, first, second = Les(node)("history").stdout.splitlines()
    assert header.split() == ["NAME", "LEADER", "TERM", "FROM", "HAND-OVER", "TO", "FOR", "ENDED"]
    assert first.split()[:3] == ["db-2", "b:1", "1"]
    assert first.endswith("0.48 s  leader-lost")
    assert second.split() == ["-", "c:1", "2", "2026-03-01", "08:15:04", "1.52", "s", "led", "last"]
    rows = Les(node).json("history")
    assert [(row["ended"], row["vacant"]) for row in rows] == [("leader-lost", None), (None, 1.52)]


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        ("--last 1", [2]),
        ("--since 2026-03-01T08:15:04+00:00", [2]),
        ("--until 2026-03-01T08:15:03+00:00", [1]),
        ("--since 2026-03-01T08:15:02+00:00 --until 2026-03-01T08:15:04+00:00", [1, 2]),
        ("--until 2026-03-01T08:15:01+00:00", []),
    ],
)
def test_history_selects(node: Path, words: str, terms: list[int]) -> None:
    assert [row["term"] for row in Les(node).json("history", *words.split())] == terms


def test_history_of_a_running_node_says_who_leads_now(leader: Daemon, follower: Daemon) -> None:
    _, row = Les(follower.config)("history").stdout.splitlines()
    assert row.split()[:2] == [leader.name, leader.address]
    assert row.endswith("leads now")


# -- long trails -------------------------------------------------------------------------------------------------------


def test_the_last_records_of_a_long_trail_are_there_at_once(long_trail: Path) -> None:
    """Milliseconds; the bound allows for a busy machine."""
    files, flaws = find(long_trail).files, list[Flaw]()
    began = time.perf_counter()
    found = last(files, within(None, None), lambda _: True, 20, flaws.append)
    assert time.perf_counter() - began < 0.2
    assert ([each["seq"] for each in found], flaws) == ([*range(MANY - 19, MANY + 1)], [])


def test_what_is_younger_is_found_without_reading_the_rest(long_trail: Path) -> None:
    """A tenth of what it takes to decode all; the bound is half of it."""
    files = find(long_trail).files
    began = time.perf_counter()
    everything = sum(1 for _ in forwards(files, within(None, None), print))
    middle = time.perf_counter()
    since = 1_772_352_000.0 + (MANY - 100) / 10  # 2026-03-01T08:00:00Z, and ten records a second
    found = sum(1 for _ in forwards(files, within(since, None), print))
    end = time.perf_counter()
    assert (everything, found) == (MANY, 101)
    assert end - middle < (middle - began) / 2
