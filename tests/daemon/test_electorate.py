"""Voters change one at a time, from one election to the next."""

from pathlib import Path

import pytest

from les_hooks.config import Config, load_config
from les_hooks.daemon.electorate import check_change, electorate_of
from les_hooks.election.frames import Electorate
from les_hooks.errors import StartError

FILE = "/var/lib/les/voters.json"


def load(folder: Path, text: str) -> Config:
    (folder / "les.toml").write_text(text)
    return load_config(folder / "les.toml")


def voting(*voters: str) -> Electorate:
    return Electorate(voters=tuple(sorted(voters)), lease=4.0)


def test_it_is_the_voters_sorted_and_their_lease(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[cluster]\nquorum = "majority"\nvoters = ["127.0.0.1:9", "127.0.0.1:4000", "127.0.0.1:10"]\n'
        '[timing]\nlease = "5s"\n',
    )
    assert electorate_of(config) == Electorate(voters=("127.0.0.1:10", "127.0.0.1:4000", "127.0.0.1:9"), lease=5.0)


def test_where_every_member_confirms_there_is_none(tmp_path: Path) -> None:
    assert electorate_of(load(tmp_path, "")) is None


@pytest.mark.parametrize(
    "now",
    [
        ("a:1", "b:1", "c:1"),
        ("a:1", "b:1"),
        ("a:1", "b:1", "c:1", "d:1"),
    ],
)
def test_one_may_be_added_or_removed(now: tuple[str, ...]) -> None:
    check_change(voting(*now), ("a:1", "b:1", "c:1"), FILE)


def test_nothing_is_known_before_the_first_leader() -> None:
    check_change(voting("a:1", "b:1", "c:1"), (), FILE)


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        (("a:1", "b:1", "d:1"), "+d:1, -c:1"),
        (("a:1",), "-b:1, -c:1"),
        (("a:1", "b:1", "c:1", "d:1", "e:1"), "+d:1, +e:1"),
        (("d:1", "e:1"), "+d:1, +e:1, -a:1, -b:1, -c:1"),
    ],
)
def test_more_than_one_at_once_is_refused_with_what_to_do(now: tuple[str, ...], changes: str) -> None:
    with pytest.raises(StartError) as caught:
        check_change(voting(*now), ("a:1", "b:1", "c:1"), FILE)
    assert str(caught.value) == (
        f"voters {', '.join(now)}: differ from a:1, b:1, c:1, which elected the last leader that this node knows, by "
        f"{changes}, and only one voter may change at a time; make one of these changes, restart all nodes one after "
        "the other, wait until there is a leader, and go on with the next; to start over with another list, stop all "
        f"nodes and remove {FILE} on each"
    )
    assert caught.value.exit_code == 78
