"""What is counted from the audit trail."""

import subprocess
import sys
import time
from typing import Any

import pytest
from prometheus_client.samples import Sample

from les_hooks.audit import Action, Outcome
from les_plugins.metrics.counts import FAILOVER_BUCKETS, OTHER, Counts
from tests.needs import need_program, need_root
from tests.plugins.metrics.samples import RECORDS, record


@pytest.fixture
def counts() -> Counts:
    return Counts()


def samples(counts: Counts, name: str) -> list[Sample]:
    """Those of this name that are not 0."""
    found = [sample for family in counts.collect() for sample in family.samples]
    return [sample for sample in found if sample.name == name and sample.value]


def values(counts: Counts, name: str) -> dict[tuple[str, ...], float]:
    """The numbers that are not 0, by the values of their labels in the order of the names."""
    return {tuple(value for _, value in sorted(each.labels.items())): each.value for each in samples(counts, name)}


def take(counts: Counts, action: str, outcome: str = "success", **fields: Any) -> None:
    counts.take(record(action, outcome, **fields))


def test_leaderships_are_counted_by_the_reasons_for_their_beginning_and_end(counts: Counts) -> None:
    take(counts, "leader.elected", reason="first")
    take(counts, "leader.elected", reason="leader-lost")
    take(counts, "leader.elected", reason="leader-lost")
    take(counts, "leader.demoted", reason="unfit")
    assert values(counts, "les_elections_total") == {("first",): 1, ("leader-lost",): 2}
    assert values(counts, "les_demotions_total") == {("unfit",): 1}


def test_the_demotion_of_each_start_ends_no_leadership(counts: Counts) -> None:
    take(counts, "leader.demoted", reason="startup")
    assert not values(counts, "les_demotions_total")


def test_a_change_that_is_told_again_is_no_other_change(counts: Counts) -> None:
    take(counts, "leader.changed", reason="leader-lost", replay=False)
    take(counts, "leader.changed", reason="reload", replay=True)
    assert values(counts, "les_leader_changes_total") == {("leader-lost",): 1}


def test_how_long_nobody_led_goes_into_a_histogram(counts: Counts) -> None:
    for vacant in (320.0, 45_000.0, None):
        take(counts, "leader.changed", reason="leader-lost", replay=False, vacant_ms=vacant)
    assert values(counts, "les_failover_duration_seconds_count") == {(): 2}
    assert values(counts, "les_failover_duration_seconds_sum") == {(): pytest.approx(45.32)}
    buckets = {each.labels["le"]: each.value for each in samples(counts, "les_failover_duration_seconds_bucket")}
    assert buckets == {"0.5": 1, "1.0": 1, "2.5": 1, "5.0": 1, "10.0": 1, "30.0": 1, "60.0": 2, "+Inf": 2}
    assert (min(FAILOVER_BUCKETS), max(FAILOVER_BUCKETS)) == (0.01, 60.0)


def test_hooks_are_counted_by_plugin_event_and_outcome(counts: Counts) -> None:
    take(counts, "hook.finished", plugin="vip", event="elected", duration_ms=1500)
    take(counts, "hook.finished", "timeout", plugin="vip", event="elected", duration_ms=2500)
    assert values(counts, "les_hook_calls_total") == {
        ("elected", "success", "vip"): 1,
        ("elected", "timeout", "vip"): 1,
    }
    assert values(counts, "les_hook_duration_seconds_sum") == {("elected", "vip"): 4.0}


def test_work_that_lasts_is_counted_and_has_no_duration(counts: Counts) -> None:
    take(counts, "hook.finished", "failure", plugin="job", event="while-leader", duration_ms=86_400_000)
    assert values(counts, "les_hook_calls_total") == {("while-leader", "failure", "job"): 1}
    assert not values(counts, "les_hook_duration_seconds_count")


def test_events_that_no_hook_was_told_of_are_counted_apart(counts: Counts) -> None:
    take(counts, "hook.finished", "dropped", event="member-joined")
    assert values(counts, "les_unhandled_events_total") == {("member-joined", "dropped"): 1}
    assert not values(counts, "les_hook_calls_total")


def test_scripts_that_took_too_long_are_counted(counts: Counts) -> None:
    take(counts, "plugin.scripts.script", "timeout", event="elected", duration_ms=30_000)
    take(counts, "plugin.stranger.script", "timeout", event="elected")
    assert values(counts, "les_script_runs_total") == {("elected", "timeout"): 1}


def test_members_and_lost_records_are_counted(counts: Counts) -> None:
    take(counts, "member.lost", member="10.0.0.2:4000")
    take(counts, "audit.gap", "failure", dropped=17)
    assert values(counts, "les_member_changes_total") == {("lost",): 1}
    assert values(counts, "les_audit_gap_records_total") == {(): 17}


@pytest.mark.parametrize("action", [*Action, "plugin.vip.taken"])
def test_every_record_counts_whatever_fields_it_lacks(counts: Counts, action: str) -> None:
    take(counts, action, Outcome.FAILURE)
    assert values(counts, "les_audit_records_total") == {(action.partition(".")[0], "failure"): 1}


def test_no_word_from_outside_becomes_a_label(counts: Counts) -> None:
    for number in range(100):
        word = f"word{number}"
        take(counts, f"{word}.{word}", word)
        take(counts, "leader.elected", word, reason=word)
        take(counts, "plugin.scripts.script", word, event=word)
        take(counts, "hook.finished", word, plugin="vip", event=word, duration_ms=1)
    assert values(counts, "les_elections_total") == {(OTHER,): 100}
    assert values(counts, "les_script_runs_total") == {(OTHER, OTHER): 100}
    assert len(values(counts, "les_audit_records_total")) == 4


def test_two_nodes_of_one_process_share_no_numbers(counts: Counts) -> None:
    for each in RECORDS:
        counts.take(each)
    assert not values(Counts(), "les_elections_total")


def test_the_process_is_told_of_in_the_tight_unit_too() -> None:
    """`ProcSubset=pid` hides all of /proc but the processes."""
    need_root()
    script = 'mount -t proc -o subset=pid proc /proc && test ! -e /proc/stat && exec "$0" -c "$1"'
    code = (
        "from les_plugins.metrics.counts import Counts\n"
        "for family in Counts().collect():\n"
        "    for sample in family.samples:\n"
        "        if sample.name.startswith('process_'): print(sample.name, sample.value)"
    )
    argv = [need_program("unshare"), "--mount", "--pid", "--fork", "sh", "-c", script, sys.executable, code]
    begun = time.time()
    told = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout
    numbers = {name: float(value) for name, value in map(str.split, told.splitlines())}
    assert len(numbers) == 6
    assert numbers["process_start_time_seconds"] == pytest.approx(begun, abs=5.0)
