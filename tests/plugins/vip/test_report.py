"""What is shown of the addresses, with a keeper that is only looked at."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from les_plugins.vip.report import shown, summary
from les_plugins.vip.settings import VipConfig, VirtualAddress

FIRST = VirtualAddress(ip="10.0.0.100", prefix=24)
SECOND = VirtualAddress(ip="fd00::100", prefix=64, interface="eth1")
CONFIG = VipConfig(addresses=(FIRST, SECOND), interface="eth0")
ONE, OTHER = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
NOW = 1000.0


@dataclass
class Herald:
    """When it announced last."""

    last: float | None = 990.0


@dataclass
class Held:
    """An address that is here since then."""

    since: float
    herald: Herald = field(default_factory=Herald)


@dataclass
class Ground:
    """What is wrong."""

    problems: dict[str, str] = field(default_factory=dict)

    @property
    def unfit(self) -> str:
        return "; ".join(self.problems.values())


@dataclass
class Keeper:
    """As much of one as is shown."""

    held: dict[VirtualAddress, Held] = field(default_factory=dict)
    claimed: dict[VirtualAddress, list[tuple[bytes, float]]] = field(default_factory=dict)
    ground: Ground = field(default_factory=Ground)

    def claims(self, address: VirtualAddress) -> list[tuple[bytes, float]]:
        return self.claimed.get(address, [])

    def lifetime_left(self, held: Held) -> float:
        return 1.7


def rows(keeper: Keeper) -> Any:
    """The addresses as they are shown."""
    return shown(keeper, CONFIG, wall=lambda: NOW)["addresses"]  # type: ignore[arg-type]  # as much of one as it takes


def test_before_the_plugin_is_at_work_nothing_is_claimed() -> None:
    found = shown(None, CONFIG)
    assert found["problems"] == ["the plugin is not at work yet"]
    assert [(row["held"], row["holder"], row["claimed_by"]) for row in found["addresses"]] == [(False, None, [])] * 2
    assert summary(None, CONFIG) == "not at work yet"


def test_each_address_is_shown_with_its_own_interface() -> None:
    first, second = rows(Keeper(held={FIRST: Held(since=900.0)}))
    assert first == {
        "address": "10.0.0.100",
        "prefix": 24,
        "interface": "eth0",
        "held": True,
        "since": 900.0,
        "lifetime_left": 1.7,
        "announced": 990.0,
        "holder": None,
        "claimed_by": [],
    }
    assert (second["address"], second["interface"], second["held"], second["since"]) == (
        "fd00::100",
        "eth1",
        False,
        None,
    )


def test_who_claimed_an_address_last_is_taken_for_its_holder_and_who_is_silent_for_long_is_forgotten() -> None:
    gone = b"\x02\0\0\0\0\x03"
    first, _ = rows(Keeper(claimed={FIRST: [(ONE, 40.0), (OTHER, 3.0), (gone, 400.0)]}))
    assert first["holder"] == "02:00:00:00:00:02"
    assert first["claimed_by"] == [
        {"mac": "02:00:00:00:00:02", "seconds_ago": 3.0},
        {"mac": "02:00:00:00:00:01", "seconds_ago": 40.0},
    ]


@pytest.mark.parametrize(("ago", "contends"), [(101.0, False), (99.0, True)])
def test_who_had_an_address_before_this_node_took_it_does_not_contend(ago: float, contends: bool) -> None:
    first, _ = rows(Keeper(held={FIRST: Held(since=NOW - 100)}, claimed={FIRST: [(ONE, ago)]}))
    assert first["holder"] is None
    assert bool(first["claimed_by"]) is contends


def test_the_summary_is_what_is_held_or_what_is_wrong() -> None:
    keeper: Any = Keeper()
    assert summary(keeper, CONFIG) == "holds nothing"
    keeper.held = {SECOND: Held(since=1.0), FIRST: Held(since=1.0)}
    assert summary(keeper, CONFIG) == "holds 10.0.0.100, fd00::100"
    keeper.ground.problems = {"link eth0": "eth0 has no carrier", "link eth1": "there is no interface eth1"}
    assert summary(keeper, CONFIG) == "eth0 has no carrier; there is no interface eth1"
    assert shown(keeper, CONFIG)["problems"] == ["eth0 has no carrier", "there is no interface eth1"]
