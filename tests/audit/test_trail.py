import bz2
import enum
import errno
import gzip
import hashlib
import io
import itertools
import json
import lzma
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from les_hooks.audit import CHAIN_FIELDS, CORE_FIELDS, Action, Audit, Entry, Head, Outcome, read
from les_hooks.audit.findings import Kind, Place
from les_hooks.audit.record import MOST_RECORD_BYTES, MOST_STRING_BYTES
from les_hooks.audit.verify import Result, Verifier
from les_hooks.config import LogFormat
from les_hooks.errors import PluginError
from les_hooks.log import make_log
from les_hooks.processes import Ending
from tests.disk import tiny_disk

NOON = 1772366400.25


def open_audit(path: Path, *, boot: int = 7, after: Head | None = None, log: io.StringIO | None = None) -> Audit:
    stream = io.StringIO() if log is None else log
    return Audit(
        path,
        node="a",
        cluster="web",
        boot=boot,
        wall=lambda: NOON,
        log=make_log(LogFormat.JSON, stream=stream),
        after=after,
    )


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def actions(path: Path) -> list[str]:
    return [record["action"] for record in records(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_a_record_has_every_core_field_in_order_and_then_its_own(path: Path) -> None:
    audit = open_audit(path)

    audit.leadership(12, "10.0.0.1:4000")
    audit.record(Action.HOOK_FINISHED, Outcome.TIMEOUT, reason="after 30 s", event_id="a-7-19", seconds=30.5)

    opened, record = records(path)
    assert list(record)[: len(CORE_FIELDS)] == list(CORE_FIELDS)
    assert list(record)[-2:] == list(CHAIN_FIELDS)
    assert record.pop("hash") != opened["hash"]
    assert record == {
        "schema": "les.audit/1",
        "time": "2026-03-01T12:00:00.250000Z",
        "seq": 2,
        "boot": 7,
        "node": "a",
        "cluster": "web",
        "action": "hook.finished",
        "outcome": "timeout",
        "reason": "after 30 s",
        "term": 12,
        "leader": "10.0.0.1:4000",
        "event_id": "a-7-19",
        "seconds": 30.5,
        "prev": opened["hash"],
    }


def test_a_record_may_bring_the_term_and_leader_that_it_belongs_to(path: Path) -> None:
    audit = open_audit(path)
    audit.leadership(12, "10.0.0.1:4000")

    audit.record(Action.LEADER_DEMOTED, term=11, leader=None)

    assert (records(path)[-1]["term"], records(path)[-1]["leader"]) == (11, None)


def test_every_way_in_which_a_program_ends_is_an_outcome() -> None:
    assert {ending.value for ending in Ending} <= {outcome.value for outcome in Outcome}


def test_the_file_is_made_for_its_owner_and_group_only(path: Path) -> None:
    before = os.umask(0)
    try:
        open_audit(path).record(Action.NODE_STARTED)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_users_own_structlog_plays_no_part(path: Path) -> None:
    before = structlog.get_config()
    structlog.configure(processors=[lambda *_: pytest.fail("our trail ran the user's processors")])
    try:
        open_audit(path).record(Action.NODE_STARTED)
    finally:
        structlog.configure(**before)

    assert actions(path) == ["audit.opened", "node.started"]


def verified(*paths: Path) -> Result:
    verifier = Verifier()
    for path in paths:
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            verifier.take(Place(path.name, number), line)
    return verifier.result()


class TestNumbers:
    def test_they_go_on_after_a_restart(self, path: Path) -> None:
        first = open_audit(path)
        first.record(Action.NODE_STARTED)
        first.close()

        open_audit(path, boot=8).record(Action.NODE_STARTED)

        assert [(record["boot"], record["seq"]) for record in records(path)] == [(7, 1), (7, 2), (8, 3), (8, 4)]

    def test_they_go_on_when_the_file_was_rotated_away_before_the_restart(self, path: Path) -> None:
        open_audit(path).record(Action.NODE_STARTED)
        path.rename(path.with_name("audit.jsonl.1"))
        path.with_name("audit.jsonl.2.gz").write_bytes(b"compressed")
        path.touch()

        open_audit(path).record(Action.NODE_STARTED)

        assert [record["seq"] for record in records(path)] == [3, 4]

    def test_they_go_on_from_what_was_remembered_when_no_file_is_left(self, path: Path) -> None:
        open_audit(path, after=Head(seq=500)).record(Action.NODE_STARTED)

        assert [record["seq"] for record in records(path)] == [501, 502]

    def test_what_the_file_says_wins_over_a_smaller_memory(self, path: Path) -> None:
        open_audit(path, after=Head(seq=500)).record(Action.NODE_STARTED)

        assert open_audit(path, after=Head(seq=3)).seq == 502

    def test_foreign_lines_at_the_end_do_not_hide_the_last_one(self, path: Path) -> None:
        open_audit(path).record(Action.NODE_STARTED)
        with path.open("ab") as file:
            file.write(b'not json\n{"seq": "x"}\n[[[[\n\xff\xfe\n')

        assert open_audit(path).seq == 2

    def test_threads_share_them_without_a_hole_or_a_double(self, path: Path) -> None:
        audit = open_audit(path)

        def work() -> None:
            for number in range(50):
                audit.record(Action.HOOK_FINISHED, number=number)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [record["seq"] for record in records(path)] == list(range(1, 202))


class TestChain:
    def test_each_record_names_the_one_before_and_its_hash_needs_no_json(self, path: Path) -> None:
        audit = open_audit(path)
        for number in range(5):
            audit.record(Action.MEMBER_JOINED, number=number, prev="mine", hash="mine")

        prev = "0" * 64
        for line in path.read_bytes().splitlines():
            text, found, digest = line.removesuffix(b'"}').rpartition(b',"hash":"')
            assert found
            assert hashlib.sha256(text + b"}").hexdigest() == digest.decode()
            assert json.loads(line)["prev"] == prev
            prev = digest.decode()
        assert audit.head == Head(seq=6, hash=prev)
        assert (records(path)[-1]["prev_"], records(path)[-1]["hash_"]) == ("mine", "mine")

    @pytest.mark.parametrize("pack", [None, gzip.compress, bz2.compress, lzma.compress])
    def test_it_goes_on_over_rotation_and_restarts(self, path: Path, pack: Callable[[bytes], bytes] | None) -> None:
        audit = open_audit(path)
        audit.record(Action.NODE_STARTED)
        old = path.with_name("audit.jsonl.1")
        path.rename(old)
        audit.record(Action.NODE_STOPPED)
        audit.close()
        assert verified(old, path).whole
        old.write_bytes(old.read_bytes() + path.read_bytes())
        if pack is not None:
            packed = old.with_name(f"{old.name}.{ {'gzip': 'gz', 'bz2': 'bz2', 'lzma': 'xz'}[pack.__module__] }")
            packed.write_bytes(pack(old.read_bytes()))
        path.write_bytes(b"")
        whole = old.read_bytes()
        if pack is not None:
            old.unlink()

        open_audit(path).record(Action.NODE_STARTED)

        old.write_bytes(whole)
        assert verified(old, path).whole
        assert [record["seq"] for record in records(path)] == [5, 6]

    def test_it_begins_after_the_records_of_an_older_version(self, path: Path) -> None:
        old = [f'{{"schema":"les.audit/1","time":"2026","seq":{number},"action":"node.started"}}' for number in (1, 2)]
        path.write_text("\n".join(old) + "\n")

        open_audit(path).record(Action.NODE_STARTED)

        assert [record["seq"] for record in records(path)] == [1, 2, 3, 4]
        assert records(path)[2]["prev"] == "0" * 64
        found = verified(path)
        assert found.whole
        assert (found.records, found.unchained) == (4, 2)
        assert "#3 begins the chain" in str(found.findings[0])

    def test_it_goes_on_from_what_was_remembered_and_a_file_that_was_exchanged_shows(self, path: Path) -> None:
        audit = open_audit(path)
        audit.record(Action.NODE_STARTED)
        remembered = audit.head
        path.unlink()
        open_audit(path).record(Action.NODE_STOPPED)

        open_audit(path, after=remembered).record(Action.NODE_STARTED)

        (fault,) = verified(path).findings
        assert (fault.kind, fault.seq) == (Kind.BROKEN, 3)

    def test_a_file_that_can_only_be_appended_to_is_closed_off_after_a_full_disk(self, disk: Path) -> None:
        path, ballast = disk / "audit.jsonl", disk / "ballast"
        ballast.write_bytes(b"x" * 32 * 1024)
        audit = open_audit(path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "ftruncate", lambda *_: _refuse())
            while audit.degraded is None:
                audit.record(Action.MEMBER_JOINED, padding="x" * 1500)
        ballast.unlink()
        audit.record(Action.MEMBER_JOINED)

        found = verified(path)
        assert found.whole
        assert [finding.kind for finding in found.findings] == [Kind.TORN, Kind.DROPPED]


def _refuse() -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


class TestRotation:
    def test_a_renamed_file_is_left_alone_and_a_new_one_begun(self, path: Path) -> None:
        audit = open_audit(path)
        audit.record(Action.NODE_STARTED)
        old = path.with_name("audit.jsonl.1")
        path.rename(old)

        audit.record(Action.MEMBER_JOINED)

        assert actions(old) == ["audit.opened", "node.started"]
        assert actions(path) == ["audit.reopened", "member.joined"]
        assert [record["seq"] for record in records(path)] == [3, 4]
        assert audit.degraded is None

    def test_a_file_that_logrotate_made_anew_is_taken(self, path: Path) -> None:
        audit = open_audit(path)
        audit.record(Action.NODE_STARTED)
        path.rename(path.with_name("audit.jsonl.1"))
        path.touch()

        audit.record(Action.MEMBER_JOINED)

        assert actions(path) == ["audit.reopened", "member.joined"]

    def test_a_file_that_was_emptied_in_place_is_appended_to(self, path: Path) -> None:
        audit = open_audit(path)
        audit.record(Action.NODE_STARTED)
        os.truncate(path, 0)

        audit.record(Action.MEMBER_JOINED)

        assert actions(path) == ["member.joined"]


TORN = [b'{"schema":"les.audit/1","se', b"\x00" * 400, b"\x00" * 200_000]


class TestPowerCut:
    @pytest.mark.parametrize("torn", TORN, ids=["text", "zeros", "more zeros than a record has room for"])
    def test_a_torn_last_line_is_set_aside_and_told_and_the_chain_goes_on(self, path: Path, torn: bytes) -> None:
        open_audit(path).record(Action.NODE_STARTED)
        with path.open("ab") as file:
            file.write(torn)

        open_audit(path).record(Action.NODE_STARTED)

        opened = records(path)[2]
        assert (opened["action"], opened["seq"], opened["torn_bytes"]) == ("audit.opened", 3, len(torn))
        assert opened["torn_kept"] == "audit.jsonl.torn-3"
        kept = path.with_name("audit.jsonl.torn-3")
        assert kept.read_bytes() == torn
        assert stat.S_IMODE(kept.stat().st_mode) == 0o640
        assert verified(path).whole

    def test_a_torn_line_stays_where_it_is_when_it_cannot_be_moved(self, path: Path) -> None:
        open_audit(path).record(Action.NODE_STARTED)
        with path.open("ab") as file:
            file.write(TORN[0])
        path.with_name("audit.jsonl.torn-3").mkdir()

        open_audit(path).record(Action.NODE_STARTED)

        lines = path.read_bytes().splitlines()
        assert lines[2] == TORN[0]
        opened = json.loads(lines[3])
        assert (opened["seq"], opened["torn_bytes"], opened["torn_kept"]) == (3, len(TORN[0]), None)
        assert verified(path).whole

    def test_who_loses_power_all_the_time_does_not_fill_the_folder(self, path: Path) -> None:
        for _ in range(20):
            open_audit(path).record(Action.NODE_STARTED)
            with path.open("ab") as file:
                file.write(TORN[0])

        assert len(list(path.parent.glob("*.torn-*"))) == 16
        found = verified(path)
        assert found.whole
        assert sum(finding.kind is Kind.TORN for finding in found.findings) >= 19

    def test_a_whole_last_line_is_not_called_torn(self, path: Path) -> None:
        open_audit(path).record(Action.NODE_STARTED)

        open_audit(path).record(Action.NODE_STARTED)

        assert [record["torn_bytes"] for record in records(path) if record["action"] == "audit.opened"] == [0, 0]


class TestTrouble:
    def test_dev_full_raises_nothing_and_counts(self) -> None:
        log = io.StringIO()
        audit = open_audit(Path("/dev/full"), log=log)

        for _ in range(3):
            audit.record(Action.MEMBER_JOINED)
        audit.close()

        assert audit.dropped == 3
        assert "No space left" in str(audit.degraded)
        (line,) = log.getvalue().splitlines()
        assert json.loads(line)["event"] == "audit-degraded"

    def test_a_folder_that_comes_back_gets_a_gap_record(self, tmp_path: Path) -> None:
        folder, aside = tmp_path / "log", tmp_path / "aside"
        folder.mkdir()
        path = folder / "audit.jsonl"
        log = io.StringIO()
        audit = open_audit(path, log=log)
        audit.record(Action.NODE_STARTED)

        folder.rename(aside)
        audit.record(Action.MEMBER_JOINED)
        audit.record(Action.MEMBER_LOST)
        assert "No such file" in str(audit.degraded)
        folder.mkdir()
        audit.record(Action.MEMBER_LEFT)

        assert actions(path) == ["audit.reopened", "audit.gap", "member.left"]
        gap = records(path)[1]
        assert (gap["dropped"], gap["since"], gap["outcome"]) == (2, "2026-03-01T12:00:00.250000Z", "failure")
        assert "No such file" in gap["reason"]
        assert [record["seq"] for record in records(path)] == [3, 4, 5]
        assert (audit.dropped, audit.degraded) == (0, None)
        assert [json.loads(line)["event"] for line in log.getvalue().splitlines()] == [
            "audit-degraded",
            "audit-recovered",
        ]

    def test_a_trail_that_could_not_be_opened_at_start_is_opened_later(self, tmp_path: Path) -> None:
        path = tmp_path / "later" / "audit.jsonl"
        audit = open_audit(path)
        audit.record(Action.NODE_STARTED)
        path.parent.mkdir()

        audit.record(Action.MEMBER_JOINED)

        assert actions(path) == ["audit.opened", "audit.gap", "member.joined"]

    def test_closing_accounts_for_what_was_dropped(self, tmp_path: Path) -> None:
        path = tmp_path / "later" / "audit.jsonl"
        audit = open_audit(path)
        audit.record(Action.NODE_STOPPED)
        path.parent.mkdir()

        audit.close()

        assert actions(path) == ["audit.opened", "audit.gap"]

    def test_a_folder_in_the_files_place_is_trouble_and_no_crash(self, path: Path) -> None:
        path.mkdir()
        audit = open_audit(path)

        audit.record(Action.NODE_STARTED)

        assert "Is a directory" in str(audit.degraded)

    def test_a_fifo_that_nobody_reads_does_not_block(self, path: Path) -> None:
        os.mkfifo(path)
        audit = open_audit(path)

        audit.record(Action.NODE_STARTED)

        assert audit.dropped == 1

    def test_a_full_disk_tears_no_line_and_is_accounted_for(self, disk: Path) -> None:
        path, ballast = disk / "audit.jsonl", disk / "ballast"
        ballast.write_bytes(b"x" * 32 * 1024)
        audit = open_audit(path)

        written = 0
        while audit.degraded is None:
            written += 1
            audit.record(Action.MEMBER_JOINED, number=written, padding="x" * 1500)
        audit.record(Action.MEMBER_JOINED, number=written + 1, padding="x" * 1500)
        lost = audit.dropped
        ballast.unlink()
        audit.record(Action.MEMBER_JOINED, number=written + 2)

        entries = list(read(path))
        good = [entry.record for entry in entries if isinstance(entry, Entry)]
        assert len(entries) == len(good), "what was written of a line, as records do not divide pages, is taken back"
        assert lost == 2
        assert [record["action"] for record in good[-2:]] == ["audit.gap", "member.joined"]
        assert good[-2]["dropped"] == lost
        assert 2 * 1500 < good[-2]["dropped_bytes"] < 2 * 2500
        assert [record["seq"] for record in good] == list(range(1, len(good) + 1))
        assert good[-1]["number"] == written + 2
        assert audit.degraded is None
        found = verified(path)
        assert found.whole
        assert [finding.kind for finding in found.findings] == [Kind.DROPPED]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk(tmp_path / "disk") as path:
        yield path


class TestBounds:
    def test_foreign_text_stays_in_its_line_and_its_field(self, path: Path) -> None:
        evil = 'x"\n{"action":"leader.elected"}\x1b[2J\udcff'

        open_audit(path).record(Action.MEMBER_JOINED, reason=evil, name=evil)

        assert len(path.read_bytes().splitlines()) == 2
        assert records(path)[-1]["name"] == evil.replace("\udcff", "\\udcff")
        assert b"\x1b" not in path.read_bytes()

    @pytest.mark.parametrize("text", ["x" * 9999, "\x00" * 9999, "é" * 9999, "x" * 2000 + "\x01" * 2000])
    def test_a_long_string_is_cut_and_shows_it(self, path: Path, text: str) -> None:
        open_audit(path).record(Action.MEMBER_JOINED, name=text)

        name = records(path)[-1]["name"]
        assert text.startswith(name[:-1])
        assert name.endswith("…")
        assert MOST_STRING_BYTES // 2 < len(json.dumps(name, ensure_ascii=False).encode()) <= MOST_STRING_BYTES

    def test_a_long_record_loses_its_largest_fields_and_names_them(self, path: Path) -> None:
        large = ["x" * 1000] * 60

        open_audit(path).record(Action.LEADER_ELECTED, members=large, small=1)

        record = records(path)[-1]
        assert (record["cut"], record["small"]) == (["members"], 1)
        assert "members" not in record

    def test_what_json_does_not_know_is_written_as_text(self, path: Path) -> None:
        class Rude:
            def __str__(self) -> str:
                raise RuntimeError

        class Colour(enum.Enum):
            RED = "red"

        open_audit(path).record(
            Action.MEMBER_JOINED,
            where=Path("/x"),
            rude=Rude(),
            colour=Colour.RED,
            large=1 << 70,
            pair=(1, None),
            nan=float("nan"),
        )

        record = records(path)[-1]
        assert record["where"] == "/x"
        assert record["rude"] == "<Rude>"
        assert record["colour"] == "red"
        assert record["large"] == hex(1 << 70)
        assert record["pair"] == [1, None]
        assert record["nan"] is None

    def test_a_value_that_contains_itself_ends(self, path: Path) -> None:
        loop: dict[str, object] = {}
        loop["again"] = loop

        open_audit(path).record(Action.MEMBER_JOINED, loop=loop)

        assert actions(path)[-1] == "member.joined"

    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(fields=st.dictionaries(st.text() | st.sampled_from(CORE_FIELDS), values))
    def test_whatever_a_plugin_hands_in_becomes_one_line_within_bounds(
        self, tmp_path: Path, fields: dict[str, object]
    ) -> None:
        path = tmp_path / "any.jsonl"
        path.unlink(missing_ok=True)

        open_audit(path).plugin("vip", "moved", "success", fields)

        line = path.read_bytes().splitlines(keepends=True)[-1]
        assert len(line) <= MOST_RECORD_BYTES
        record = json.loads(line)
        assert (record["action"], record["seq"], record["node"]) == ("plugin.vip.moved", 2, "a")

    def test_core_fields_as_large_as_a_plugin_can_make_them_still_fit(self, path: Path) -> None:
        huge = ["\x00" * 5000] * 100
        fields = dict.fromkeys((*CORE_FIELDS, *(f"{'f' * 60}{number}" for number in range(100))), huge)

        open_audit(path).plugin("vip", "moved", "success", fields)

        assert len(path.read_bytes().splitlines(keepends=True)[-1]) <= MOST_RECORD_BYTES


class TestPlugins:
    def test_their_fields_cannot_replace_ours(self, path: Path) -> None:
        open_audit(path).plugin("vip", "moved", "success", {"seq": 99, "node": "b", "event": 1, "reason": "lost"})

        record = records(path)[-1]
        assert (record["seq"], record["node"]) == (2, "a")
        assert (record["seq_"], record["node_"], record["event"], record["reason"]) == (99, "b", 1, "lost")

    def test_the_action_is_made_a_word(self, path: Path) -> None:
        open_audit(path).plugin("vip", "moved to\n" + "x" * 99, "failure", {})

        assert actions(path)[-1] == "plugin.vip.moved_to_" + "x" * 55

    def test_an_unknown_outcome_is_the_plugins_fault(self, path: Path) -> None:
        with pytest.raises(PluginError, match=r"plugin vip: .* success, failure.*, not 'great'"):
            open_audit(path).plugin("vip", "moved", "great", {})


def test_a_start_says_how_many_records_that_are_remembered_are_not_in_the_files(path: Path) -> None:
    audit = open_audit(path)
    for _ in range(8):
        audit.record(Action.NODE_FIT)
    head = audit.head
    audit.close()
    lines = path.read_bytes().splitlines(keepends=True)
    for left, torn in itertools.product(range(1, 10), (b"", b'{"schema":')):
        path.write_bytes(b"".join(lines[:left]) + torn)
        after = open_audit(path, after=head)
        after.record(Action.NODE_FIT)
        path.rename(path.with_name("audit.jsonl.1"))
        after.record(Action.NODE_FIT)
        opened, reopened = records(path.with_name("audit.jsonl.1"))[-2], records(path)[0]
        assert (opened["action"], opened["seq"], opened["lost"]) == ("audit.opened", 10, 9 - left)
        assert (reopened["action"], reopened["lost"]) == ("audit.reopened", 0)
        after.close()
        path.with_name("audit.jsonl.1").unlink()
        path.unlink()
        for kept in path.parent.glob("audit.jsonl.torn-*"):
            kept.unlink()
