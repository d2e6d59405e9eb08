"""What is seen of whatever is done to a trail."""

import io
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from les_hooks.audit import Action, Audit
from les_hooks.audit.chain import BEGINNING, seal
from les_hooks.audit.files import lines
from les_hooks.audit.files import opened as opened_file
from les_hooks.audit.findings import Kind, Place
from les_hooks.audit.record import MOST_RECORD_BYTES
from les_hooks.audit.verify import Checkpoint, Result, Verifier
from les_hooks.config import LogFormat
from les_hooks.log import make_log


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Ten lines, numbered from 1."""
    path = tmp_path_factory.mktemp("trail") / "audit.jsonl"
    log = make_log(LogFormat.JSON, stream=io.StringIO())
    audit = Audit(path, node="a", cluster="web", boot=1, wall=lambda: 0.0, log=log)
    for number in range(9):
        audit.record(Action.MEMBER_JOINED, member=f"10.0.0.{number}:4000")
    return path.read_bytes().splitlines(keepends=True)


def verified(lines: list[bytes], checkpoints: dict[int, Checkpoint] | None = None) -> Result:
    verifier = Verifier(checkpoints)
    for number, line in enumerate(lines, 1):
        verifier.take(Place("t", number), line)
    return verifier.result()


def faults(lines: list[bytes], checkpoints: dict[int, Checkpoint] | None = None) -> list[str]:
    """The kind of each fault, and where it is."""
    found = verified(lines, checkpoints)
    said = [
        f"{each.kind} {each.place}{f'-{each.last_line}' if each.place and each.last_line > each.place.line else ''}"
        f" {each.seq}{f'-{each.last_seq}' if each.last_seq != each.seq else ''}"
        for each in found.findings
        if each.fault
    ]
    assert bool(said) is (found.faults > 0) is not found.whole
    return said


def resealed(lines: list[bytes], change: Callable[[bytes], bytes], since: int) -> list[bytes]:
    """The lines, with one changed, and all hashes from there on made to fit."""
    made = lines[:since]
    prev = json.loads(lines[since])["prev"]
    for i, line in enumerate(lines[since:]):
        text = line[: line.index(b',"prev":')] + b"}"
        sealed, prev = seal(change(text) if i == 0 else text, prev)
        made.append(sealed)
    return made


def opened(seq: int, *, lost: int) -> bytes:
    """How a trail goes on after a power cut that left a piece of a line."""
    text = b'{"schema":"les.audit/1","time":"2026","seq":%d,"action":"audit.opened","torn_bytes":40,"lost":%d}'
    return seal(text % (seq, lost), "5" * 64)[0]


def checkpoint_of(line: bytes) -> dict[int, Checkpoint]:
    record = json.loads(line)
    return {record["seq"]: Checkpoint(seq=record["seq"], hash=record["hash"], place=Place("log", 1))}


def test_a_trail_that_nobody_touched_is_whole(trail: list[bytes]) -> None:
    found = verified(trail)
    assert found.whole
    assert found.findings == ()
    assert found.first is not None
    assert found.last is not None
    assert (found.records, found.first.seq, found.last.seq) == (10, 1, 10)
    assert found.last.hash == json.loads(trail[-1])["hash"]


def test_no_record_at_all_is_not_whole() -> None:
    assert not verified([]).whole
    assert not verified([b"\n"]).whole


@pytest.mark.parametrize("field", ["time", "seq", "boot", "node", "outcome", "member", "prev", "hash"])
def test_a_change_of_any_field_of_any_record_is_seen_at_its_line(trail: list[bytes], field: str) -> None:
    for i, line in enumerate(trail):
        # One letter or digit in the value becomes another one.
        changed = re.sub(rb'("%b":"?[^",]*)[0-9a-z](["},])' % field.encode(), rb"\g<1>Z\2", line, count=1)
        if changed == line:
            continue
        said = faults([*trail[:i], changed, *trail[i + 1 :]])
        assert any(f" t:{i + 1} " in each for each in said), (i, field, said)


def test_any_single_byte_that_is_another_one_is_seen(trail: list[bytes]) -> None:
    chance = random.Random(1)
    text = b"".join(trail)
    for _ in range(500):
        at = chance.randrange(len(text))
        other = bytes([text[at] ^ (1 << chance.randrange(8))])
        damaged = (text[:at] + other + text[at + 1 :]).splitlines(keepends=True)
        # The very last byte is the end of the line: without it, that line counts as cut short.
        assert faults(damaged) or at == len(text) - 1, at


def test_a_changed_record_whose_hash_was_made_to_fit_breaks_the_chain_behind_it(trail: list[bytes]) -> None:
    forged, _ = seal(trail[4].replace(b"10.0.0.3", b"10.0.0.9")[: trail[4].index(b',"prev":')] + b"}", "0" * 64)
    prev = json.loads(trail[4])["prev"]
    forged, _ = seal(forged[: forged.index(b',"prev":')] + b"}", prev)
    assert faults([*trail[:4], forged, *trail[5:]]) == ["broken t:6 6"]


def test_a_rewritten_chain_shows_by_the_checkpoints_only(trail: list[bytes]) -> None:
    rewritten = resealed(trail, lambda text: text.replace(b"10.0.0.3", b"10.0.0.9"), 4)
    assert verified(rewritten).whole
    assert faults(rewritten, checkpoint_of(trail[8])) == ["rewritten t:9 9"]
    assert verified(trail, checkpoint_of(trail[8])).confirmed == 1
    assert verified(rewritten, checkpoint_of(trail[2])).whole, "a checkpoint tells of what was before it"


def test_a_cut_off_end_shows_by_the_checkpoints_only(trail: list[bytes]) -> None:
    assert verified(trail[:7]).whole
    assert faults(trail[:7], checkpoint_of(trail[8])) == ["cut-off t:7 7"]
    assert faults([], checkpoint_of(trail[8])) == ["cut-off None 0"]


def test_checkpoints_of_what_was_rotated_away_are_no_fault(trail: list[bytes]) -> None:
    found = verified(trail[5:], checkpoint_of(trail[2]) | checkpoint_of(trail[8]))
    assert found.whole
    assert found.confirmed == 1
    assert [each.kind for each in found.findings] == [Kind.BEGINS, Kind.BEGINS]


def test_missing_records_are_named_with_the_lines_around_them(trail: list[bytes]) -> None:
    found = verified([*trail[:3], *trail[6:8], *trail[9:]])
    assert [str(each) for each in found.findings] == [
        "t:4: #4 to #6 are missing: nothing is between t:3 and t:4",
        "t:6: #9 is missing: nothing is between t:5 and t:6",
    ]


def test_records_that_stand_twice_or_elsewhere_are_told_apart(trail: list[bytes]) -> None:
    assert faults([*trail, *trail[3:6]]) == ["twice t:11-13 4-6"]
    assert faults([*trail[:3], trail[4], trail[3], *trail[5:]]) == ["reordered t:5 4"]
    assert faults([*trail[5:], *trail[:5]]) == ["reordered t:6-10 1-5"]


def test_foreign_lines_are_named_and_do_not_hide_the_rest(trail: list[bytes]) -> None:
    assert faults([*trail[:3], b"hello\n", b'{"schema":"les.audit/2","seq":4}\n', b"\xff[[[\n", *trail[3:]]) == [
        "foreign t:4-6 None"
    ]


def test_a_record_without_a_hash_in_the_midst_of_the_chain_is_a_fault(trail: list[bytes]) -> None:
    bare = trail[4][: trail[4].index(b',"prev":')] + b"}\n"
    assert faults([*trail[:4], bare, *trail[5:]]) == ["unchained t:5 5", "broken t:6 6"]
    assert faults([*trail[:2], *(bare.replace(b'"seq":5', b'"seq":99') for _ in range(2)), *trail[2:]]) == [
        "unchained t:3 99",
        "unchained t:4 99",
    ]


def test_a_beginning_that_lost_its_hashes_does_not_pass_for_an_older_version(trail: list[bytes]) -> None:
    bare = [line[: line.index(b',"prev":')] + b"}\n" for line in trail[:4]]
    assert faults([*bare, *trail[4:]]) == ["broken t:5 5"]


def test_a_first_record_that_names_one_before_it_is_a_fault(trail: list[bytes]) -> None:
    forged, _ = seal(trail[0][: trail[0].index(b',"prev":')] + b"}", "1" * 64)
    assert faults([forged])[0] == "broken t:1 1"


def test_a_last_line_that_is_cut_short_is_no_fault(trail: list[bytes]) -> None:
    found = verified([*trail[:9], trail[9][:40]])
    assert found.whole
    assert [str(each) for each in found.findings] == ["t:10: is the last line, and was cut short (40 bytes)"]


def test_a_torn_line_in_the_midst_counts_as_such_only_where_the_next_record_says_so(trail: list[bytes]) -> None:
    torn = trail[9][:40]
    after, _ = seal(
        b'{"schema":"les.audit/1","time":"2026-03-01T12:00:00Z","seq":10,"action":"audit.opened","torn_bytes":40}',
        json.loads(trail[8])["hash"],
    )
    assert verified([*trail[:9], torn + b"\n", after]).whole
    assert faults([*trail[:9], torn[:30] + b"\n", after]) == ["foreign t:10 None"]
    assert faults([*trail[:5], torn + b"\n", *trail[5:]]) == ["foreign t:6 None"]


def test_one_number_that_a_torn_line_took_with_it_is_no_fault_and_more_are(trail: list[bytes]) -> None:
    """The state directory may remember more than the file, after a power cut."""
    assert verified([*trail[:9], opened(11, lost=1)]).whole
    (missing,) = verified([*trail[:9], opened(12, lost=2)]).findings
    assert str(missing) == (
        "t:10: #10 to #11 are missing: nothing is between t:9 and t:10; "
        "#12 says that 2 were gone when the node was started"
    )


def test_a_record_that_was_removed_before_a_torn_line_does_not_pass_for_it(trail: list[bytes]) -> None:
    after = seal(opened(11, lost=0)[: opened(11, lost=0).index(b',"prev":')] + b"}", json.loads(trail[9])["hash"])[0]
    assert verified([*trail, after]).whole
    assert faults([*trail[:9], after]) == ["missing t:10 10"]


@pytest.mark.parametrize("length", [MOST_RECORD_BYTES - 1, MOST_RECORD_BYTES, 1024 * 1024])
def test_a_foreign_line_of_any_length_is_a_fault_wherever_it_stands(
    trail: list[bytes], tmp_path: Path, length: int
) -> None:
    for at in range(0, 11, 5):
        path = tmp_path / f"{at}.jsonl"
        path.write_bytes(b"".join([*trail[:at], b"x" * length + b"\n", *trail[at:]]))
        with opened_file(path) as file:
            assert faults(list(lines(file))) == [f"foreign t:{at + 1} None"]


def test_zeros_that_a_power_cut_left_are_no_fault_where_the_trail_speaks_of_them(
    trail: list[bytes], tmp_path: Path
) -> None:
    for length in (100, 3 * MOST_RECORD_BYTES):
        text = (
            b'{"schema":"les.audit/1","time":"2026","seq":11,"action":"audit.opened","torn_bytes":%d,"lost":0}' % length
        )
        path = tmp_path / "audit.jsonl"
        path.write_bytes(b"".join([*trail, b"\0" * length, b"\n", seal(text, json.loads(trail[-1])["hash"])[0]]))
        with opened_file(path) as file:
            assert verified(list(lines(file))).whole


def test_a_checkpoint_agrees_once_however_often_its_record_is_here(trail: list[bytes]) -> None:
    assert verified([*trail, trail[8]], checkpoint_of(trail[8])).confirmed == 1


def test_findings_are_bounded_in_number_and_all_are_counted(trail: list[bytes]) -> None:
    found = verified([line for _ in range(3000) for line in (trail[0], b"x\n")])
    assert len(found.findings) == 1000
    assert found.faults == 2999 + 3000


def test_a_hundred_thousand_lines_take_no_time_to_speak_of() -> None:
    lines, prev = [], BEGINNING
    for seq in range(1, 100_001):
        text = b'{"schema":"les.audit/1","time":"2026-03-01T12:00:00Z","seq":%d,"fill":"%b"}' % (seq, b"x" * 300)
        line, prev = seal(text, prev)
        lines.append(line)
    begun = time.process_time()
    assert verified(lines).whole
    assert time.process_time() - begun < 2.0, "a tenth of what a million lines may take"


@pytest.mark.parametrize("key", ["lost", "dropped", "torn_bytes"])
def test_a_number_with_thousands_of_digits_says_nothing(key: str) -> None:
    """Python refuses to read one, and whoever can change the trail must not be able to stop the verification."""
    text = b'{"schema":"les.audit/1","time":"x","seq":2,"action":"audit.opened","%b":%b}' % (key.encode(), b"9" * 5000)
    first, head = seal(b'{"schema":"les.audit/1","time":"x","seq":1,"action":"audit.opened"}', BEGINNING)
    assert verified([first, seal(text, head)[0]]).whole
    assert faults([first, b"no record\n", seal(text, head)[0]]) == ["foreign t:2 None"]
