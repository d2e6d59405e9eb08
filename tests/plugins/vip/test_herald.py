"""When an address is announced, and how often."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from les_plugins.vip import herald as module
from les_plugins.vip.herald import Herald
from les_plugins.vip.lookout import Lookout
from les_plugins.vip.settings import Announce, parse_virtual_address
from tests.plugins.vip.fakes import ETH0, FakeSegment, now
from tests.virtual import virtual

FOUR = "10.0.0.100"


class Square:
    """A herald on a segment."""

    def __init__(self, ip: str = FOUR, **announce: Any) -> None:
        self.segment = FakeSegment()
        self.begun = now()
        self.lookout = Lookout(
            parse_virtual_address(f"{ip}/24"),
            clock=now,
            open_ether=self.segment.open,
            on_claim=lambda address, mac: None,
        )
        self.lookout.move(ETH0, frozenset())
        self.may = True
        self.herald = Herald(
            self.lookout,
            Announce(**announce),
            may=lambda: self.may,
            clock=now,
            wall=lambda: 1000 + now() - self.begun,
        )

    def heard(self, ip: str = FOUR) -> list[float]:
        """After how many seconds it was announced, in tenths and a half."""
        return [round((when - self.begun) * 20) / 20 for when in self.segment.announced(ip)]


@pytest.mark.parametrize("ip", [FOUR, "fd00::64"])
@virtual()
async def test_it_is_announced_at_growing_intervals_and_then_now_and_then(ip: str) -> None:
    square = Square(ip)
    square.herald.shout()
    await asyncio.sleep(185)
    assert square.heard(ip) == [0.0, 0.1, 0.3, 0.7, 1.5, 61.5, 121.5, 181.5]
    square.herald.hush()


@virtual()
async def test_with_each_announcement_but_the_first_it_is_asked_who_else_has_it() -> None:
    """Who takes an address asks by itself; and who took it without asking goes on to do so."""
    square = Square()
    square.herald.shout()
    await asyncio.sleep(65)
    asked = [round(when - square.begun, 1) for when in square.segment.questions(FOUR)]
    assert asked == [0.1, 0.3, 0.7, 1.5, 61.5]
    square.herald.hush()


@virtual()
async def test_without_refresh_it_is_announced_a_few_times_only() -> None:
    square = Square(count=2, interval=0.05, refresh=0.0)
    square.herald.shout()
    await asyncio.sleep(3600)
    assert square.heard() == [0.0, 0.05]


@virtual()
async def test_who_shouts_again_begins_anew_in_another_way_too() -> None:
    square = Square()
    square.herald.shout()
    await asyncio.sleep(0.2)
    square.herald.shout(Announce(count=2, interval=0.5, refresh=0.0))
    await asyncio.sleep(100)
    assert square.heard() == [0.0, 0.1, 0.2, 0.7]


@virtual()
async def test_who_may_not_act_says_nothing_until_it_may() -> None:
    square = Square()
    square.may = False
    square.herald.shout()
    square.herald.defend()
    await asyncio.sleep(0.25)
    assert square.heard() == []
    assert square.herald.last is None
    square.may = True
    await asyncio.sleep(0.1)
    assert square.heard() == [0.3]
    square.herald.hush()


@virtual()
async def test_hush_means_silence() -> None:
    square = Square()
    square.herald.shout()
    square.herald.hush()
    square.herald.hush()
    await asyncio.sleep(100)
    assert square.heard() == [0.0]


@virtual()
async def test_a_rival_is_contradicted_once_a_second_at_most() -> None:
    square = Square()
    while now() < square.begun + 2.9:
        square.herald.defend()
        await asyncio.sleep(0.01)
    assert square.heard() == [0.0, 1.0, 2.0]


@virtual()
async def test_only_what_went_out_was_announced() -> None:
    square = Square()
    square.segment.works = False
    square.herald.shout()
    await asyncio.sleep(0.05)
    assert square.herald.last is None
    square.segment.works = True
    await asyncio.sleep(0.1)
    assert square.herald.last == pytest.approx(1000.1, abs=0.01)
    square.herald.hush()


@virtual()
async def test_without_an_interface_nobody_is_told() -> None:
    square = Square()
    square.lookout.move(None, frozenset())
    square.herald.shout()
    await asyncio.sleep(0.05)
    assert square.herald.last is None
    square.herald.hush()


@virtual()
async def test_another_hardware_address_is_announced_as_soon_as_it_is_known() -> None:
    square = Square()
    square.lookout.move(replace(ETH0, mac=b"\x02\x00\x00\x00\x00\x09"), frozenset())
    square.herald.shout()
    assert square.segment.sent[0][1][22:28] == b"\x02\x00\x00\x00\x00\x09"
    square.herald.hush()


@virtual()
async def test_a_router_says_that_it_is_one(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("conf")
    monkeypatch.setattr(module, "_IPV6_FORWARDING", folder)
    (folder / "eth0").mkdir()
    for text, flags in (("1\n", "a0000000"), ("0\n", "20000000"), ("", "20000000")):
        (folder / "eth0" / "forwarding").write_text(text)
        square = Square("fd00::64")
        square.herald.shout()
        assert square.segment.sent[0][1][58:62] == bytes.fromhex(flags)
        square.herald.hush()
