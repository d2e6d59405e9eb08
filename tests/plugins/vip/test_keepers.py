"""The hooks of the plugin: one keeper for a node, for as long as it is needed; and nothing at all in a dry run."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from les_hooks.errors import PluginError
from les_hooks.events import EventKind, Reason
from les_plugins import vip
from les_plugins.vip.keeper import Keeper
from les_plugins.vip.kernel import KernelError
from tests.fake_context import an_event
from tests.plugins.vip.fakes import FakeKernel, FakeSegment, Mandated, a_config, now
from tests.virtual import virtual

IP = "10.0.0.100"
ELECTED = an_event(EventKind.ELECTED, reason=Reason.LEADER_LEFT)
DEMOTED = an_event(EventKind.DEMOTED, reason=Reason.LEAVING)


class Host:
    """What the keepers that the plugin makes find."""

    def __init__(self) -> None:
        self.kernels: list[FakeKernel] = []
        self.failing: KernelError | None = None

    def keeper(self, ctx: Any) -> Keeper:
        kernel = FakeKernel()
        if self.failing is not None:
            kernel.fail("assigned", self.failing, times=100)
        self.kernels.append(kernel)
        return Keeper(ctx, kernel=kernel, open_ether=FakeSegment().open, clock=now, wall=now)

    @property
    def open(self) -> int:
        """How many kernels are in use."""
        return sum(not kernel.closed for kernel in self.kernels)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = Host()
    monkeypatch.setattr(vip, "Keeper", made.keeper)
    monkeypatch.setattr(vip, "lacking", lambda rights: [])
    monkeypatch.setattr(vip, "validate", nothing_to_say)
    yield made
    assert not vip._keepers


async def nothing_to_say(ctx: Any) -> list[str]:
    """Of the real host."""
    return []


def a_context(name: str = "a", **fields: Any) -> Mandated:
    return Mandated(name="vip", config=a_config(), state_dir=Path("/state", name), **fields)


@virtual()
async def test_a_leadership_from_its_beginning_to_its_end(host: Host) -> None:
    ctx = a_context()
    await vip.on_demoted(an_event(EventKind.DEMOTED, reason=Reason.STARTUP), ctx)
    checking = asyncio.create_task(vip.check(ctx, lambda unfit: None))
    await asyncio.sleep(0.1)
    await vip.on_elected(ELECTED, ctx)
    await vip.on_reasserted(an_event(EventKind.REASSERTED, reason=Reason.CONFLICT), ctx)
    (_, kernel) = host.kernels
    assert kernel.ips == [IP]
    await vip.on_demoted(DEMOTED, ctx)
    assert not kernel.ips
    assert not kernel.closed
    checking.cancel()
    await asyncio.wait({checking})
    assert host.open == 0


@virtual()
async def test_a_reload_hands_the_addresses_on(host: Host) -> None:
    before = a_context()
    checking = asyncio.create_task(vip.check(before, lambda unfit: None))
    await asyncio.sleep(0.1)
    await vip.on_elected(ELECTED, before)
    after = replace(before, config=a_config("10.0.0.101/24"))
    checking.cancel()
    await asyncio.wait({checking})
    checking = asyncio.create_task(vip.check(after, lambda unfit: None))
    await asyncio.sleep(0.1)
    await vip.on_reasserted(an_event(EventKind.REASSERTED, reason=Reason.RELOAD), after)
    (kernel,) = host.kernels
    assert kernel.ips == ["10.0.0.101"]
    await vip.on_demoted(DEMOTED, after)
    checking.cancel()
    await asyncio.wait({checking})
    assert host.open == 0


@virtual()
async def test_nodes_of_one_process_have_a_keeper_each(host: Host) -> None:
    one, two = a_context("a"), a_context("b")
    await vip.on_elected(ELECTED, one)
    await vip.on_elected(ELECTED, two)
    await vip.on_demoted(DEMOTED, one)
    assert [kernel.ips for kernel in host.kernels] == [[], [IP]]
    await vip.on_demoted(DEMOTED, two)
    assert host.open == 0


@virtual()
async def test_a_demotion_that_fails_leaves_no_keeper_either(host: Host) -> None:
    host.failing = KernelError("no netlink")
    with pytest.raises(PluginError, match="no netlink"):
        await vip.on_demoted(DEMOTED, a_context())
    assert host.open == 0


@virtual()
async def test_who_prepares_or_asks_after_the_end_makes_nothing(host: Host) -> None:
    ctx = a_context()
    await vip.prepare(ctx)
    vip.status(ctx)
    assert not host.kernels


@virtual()
async def test_whoever_is_watched_prepares(host: Host) -> None:
    ctx = a_context()
    checking = asyncio.create_task(vip.check(ctx, lambda unfit: None))
    await asyncio.sleep(0.1)
    preparing = asyncio.create_task(vip.prepare(ctx))
    await asyncio.sleep(0.1)
    assert not preparing.done()
    for task in (preparing, checking):
        task.cancel()
        await asyncio.wait({task})


@virtual()
async def test_cleanup_removes_what_a_dead_daemon_left(host: Host) -> None:
    def left(ctx: Any) -> Keeper:
        keeper = host.keeper(ctx)
        host.kernels[-1].configure(IP, 32, valid=2.0)
        return keeper

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vip, "Keeper", left)
        await vip.cleanup(a_context())
    assert not host.kernels[0].ips
    assert host.open == 0


# -- dry runs ----------------------------------------------------------------------------------------------------------


@virtual()
async def test_a_dry_run_says_what_would_be_done_and_does_nothing(host: Host) -> None:
    ctx = a_context(dry_run=True)
    await vip.on_elected(ELECTED, ctx)
    await vip.on_reasserted(an_event(EventKind.REASSERTED), ctx)
    await vip.on_demoted(DEMOTED, ctx)
    await vip.cleanup(ctx)
    assert [line["step"] for line in ctx.logged] == [
        "take 10.0.0.100/32 on eth0",
        "announce 10.0.0.100/32 on eth0",
        "remove 10.0.0.100/32 on eth0",
        "remove 10.0.0.100/32 on eth0",
    ]
    assert not ctx.audited
    assert not host.kernels


@virtual()
async def test_a_check_of_a_dry_run_looks_and_touches_nothing(host: Host) -> None:
    ctx = a_context(dry_run=True)
    reports: list[str] = []
    checking = asyncio.create_task(vip.check(ctx, reports.append))
    await asyncio.sleep(0.1)
    (kernel,) = host.kernels
    kernel.configure(IP, 32)
    kernel.set_link("eth0", carrier=False)
    await asyncio.sleep(1.0)
    assert kernel.ips == [IP]
    assert reports == ["", "eth0 has no carrier"]
    assert not ctx.audited
    checking.cancel()
    await asyncio.wait({checking})


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        (EventKind.ELECTED, ["take 10.0.0.100/32 on eth0", "take fd00::64/128 on eth1"]),
        (EventKind.REASSERTED, ["announce 10.0.0.100/32 on eth0", "announce fd00::64/128 on eth1"]),
        (EventKind.DEMOTED, ["remove 10.0.0.100/32 on eth0", "remove fd00::64/128 on eth1"]),
        (EventKind.MEMBER_JOINED, []),
    ],
)
def test_a_plan_names_each_address(kind: EventKind, steps: list[str]) -> None:
    ctx = replace(a_context(), config=a_config("10.0.0.100/24", "fd00::64/64 dev eth1"))
    assert list(vip.plan(kind, ctx)) == steps


async def test_taking_may_last_as_long_as_another_kernel_keeps_an_address() -> None:
    ctx = replace(a_context(), config=a_config(lifetime=60))
    assert await vip.deadline(ELECTED, ctx) > 60 + 1 + 3
