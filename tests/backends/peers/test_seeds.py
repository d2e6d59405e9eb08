"""Which addresses the machine hears the seeds stand for."""

import asyncio
import socket
from typing import Any

import pytest

from les_hooks.election.effects import Dial
from les_hooks.election.messages import LinkUp, SeedsKnown
from les_hooks.members import Address
from tests.backends.peers.fakes import Node, free_port, make_node, running, until


class Names:
    """A resolver in the hands of the test: `table` is name to hosts; a name that is missing is unknown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.table: dict[str, list[str]] = {}
        self.asked: list[str] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._answer)

    async def _answer(self, host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host not in self.table:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (found, port)) for found in self.table[host]]


def _seeds(node: Node) -> list[tuple[set[str], int]]:
    return [(set(known.addresses), known.unresolved) for known in node.machine.all(SeedsKnown)]


async def test_numeric_seeds_are_known_at_once_and_this_node_is_none_of_them() -> None:
    own = f"127.0.0.1:{free_port()}"
    node = make_node(own, "127.0.0.9:4000", "[::1]:4000", address=own, noting=True)
    async with running(node):
        await until(lambda: _seeds(node) == [({"127.0.0.9:4000", "[::1]:4000"}, 0)])
        assert node.machine.all(SeedsKnown)[0].configured


async def test_without_seeds_the_machine_is_told_that_none_are_configured() -> None:
    node = make_node(noting=True)
    async with running(node):
        await until(lambda: _seeds(node) == [(set(), 0)])
        assert not node.machine.all(SeedsKnown)[0].configured


async def test_seeds_can_be_replaced_while_the_node_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    names.table["web"] = ["127.0.0.8"]
    node = make_node("127.0.0.9:4000", noting=True)
    async with running(node):
        await until(lambda: _seeds(node) == [({"127.0.0.9:4000"}, 0)])
        node.backend.set_seeds(("web:4000",))
        await until(lambda: _seeds(node)[1:] == [({"127.0.0.8:4000"}, 0)])
        node.backend.set_seeds(())
        await until(lambda: _seeds(node)[2:] == [(set(), 0)])


async def test_each_address_of_a_name_is_a_seed_and_a_change_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    names.table["web"] = ["127.0.0.8", "127.0.0.9"]
    node = make_node("web:4000", noting=True)
    async with running(node):
        await until(lambda: _seeds(node) == [({"127.0.0.8:4000", "127.0.0.9:4000"}, 0)])
        names.table["web"] = ["127.0.0.9"]
        await until(lambda: _seeds(node)[1:] == [({"127.0.0.9:4000"}, 0)])


async def test_an_unknown_name_is_counted_and_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    node = make_node("web:4000", "127.0.0.9:4000", noting=True)
    async with running(node):
        await until(lambda: _seeds(node) == [({"127.0.0.9:4000"}, 1)])
        names.table["web"] = ["127.0.0.8"]
        await until(lambda: _seeds(node)[1:] == [({"127.0.0.8:4000", "127.0.0.9:4000"}, 0)])


async def test_a_name_that_is_unknown_for_a_while_keeps_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    names.table["web"] = ["127.0.0.8"]
    node = make_node("web:4000", noting=True)
    async with running(node):
        await until(lambda: _seeds(node))
        names.table.clear()
        asked = len(names.asked)
        await until(lambda: len(names.asked) > asked + 2)
        assert _seeds(node) == [({"127.0.0.8:4000"}, 0)]


async def test_a_name_is_left_alone_while_somebody_behind_it_is_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    names.table["web"] = ["127.0.0.1"]
    other = make_node(noting=True)
    node = make_node("web:" + other.address.rpartition(":")[2], noting=True)
    async with running(other, node):
        node.backend._carry_out(Dial(address=Address(other.address)))
        await until(lambda: node.machine.all(LinkUp))
        await asyncio.sleep(0.15)
        asked = len(names.asked)
        await asyncio.sleep(0.3)
        assert len(names.asked) == asked


async def test_a_resolver_that_hangs_is_neither_waited_for_nor_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("les_hooks.backends.peers.seeds._LOOKUP_SECONDS", 0.05)
    names = Names(monkeypatch)
    hanging = asyncio.Event()

    async def hang(host: str, _port: int, **_options: Any) -> list[tuple[Any, ...]]:
        names.asked.append(host)
        await hanging.wait()
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    node = make_node("web:4000", "127.0.0.9:4000", noting=True)
    async with running(node):
        await until(lambda: _seeds(node) == [({"127.0.0.9:4000"}, 1)])
        await asyncio.sleep(0.3)
        assert names.asked == ["web"]
