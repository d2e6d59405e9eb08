"""A reserved IP of DigitalOcean, against a fake that behaves as the API's documentation says; over real HTTP."""

import asyncio
from typing import Any

import pytest

from les_plugins.floating_ip.providers.digitalocean import DigitalOceanTable
from les_plugins.floating_ip.settings import FloatingIpConfig
from tests.fake_context import FakeContext
from tests.plugins.floating_ip.fakes import TOKEN, Answer, Asked, FakeDigitalOcean, error, raw, reset
from tests.plugins.floating_ip.stage import Stage, audited, elect
from tests.virtual import virtual

PATIENCE = 0.05
"""Real seconds without any traffic, after which the clock jumps: a request on loopback takes a hundredth of it."""

ASSIGN = Asked("POST", "/v2/reserved_ips/203.0.113.7/actions", {"type": "assign", "droplet_id": 111}, f"Bearer {TOKEN}")


def configured(stage: Stage, cloud: FakeDigitalOcean, **keys: Any) -> FakeContext:
    """A context whose one address is that of the fake."""
    table = DigitalOceanTable(address=cloud.address, token_file=stage.token_file, api=cloud.url, metadata_url=cloud.url)
    return stage.context(FloatingIpConfig(digitalocean=(table,), **keys))


@virtual(PATIENCE)
async def test_a_new_leader_takes_the_address_from_another_and_waits_until_it_has_it(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=11.0)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        began = asyncio.get_running_loop().time()
        await elect(ctx)
        assert cloud.holder == 111
        assert cloud.changes == [ASSIGN]
        assert 11.0 <= asyncio.get_running_loop().time() - began < 13.0
        assert audited(ctx) == ["accepted", "assigned"]
        assert ctx.audited[-1]["instead_of"] == "another (222)"


@virtual(PATIENCE)
async def test_an_address_that_this_node_has_is_only_looked_at(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert [each.method for each in cloud.asked] == ["GET"]
        assert ctx.audited == []


@virtual(PATIENCE)
async def test_an_address_that_nobody_has_is_taken(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=None)
    async with cloud.serving():
        await elect(configured(stage, cloud))
        assert cloud.holder == 111


@virtual(PATIENCE)
async def test_an_address_of_ipv6_goes_by_its_own_paths(stage: Stage) -> None:
    cloud = FakeDigitalOcean(address="2001:db8::7", seconds=2.0)
    async with cloud.serving():
        await elect(configured(stage, cloud))
        assert cloud.holder == 111
        assert [each.path for each in cloud.changes] == ["/v2/reserved_ipv6/2001:db8::7/actions"]


MENDED: dict[str, list[Answer | None]] = {
    "throttled": [error(429, "API rate limit exceeded.", Retry_After="7")],
    "broken": [error(500, "Server was unable to give you a response.")],
    "unreachable": [reset, reset],  # aiohttp asks a second time by itself
    "malformed": [raw(b"<html>")],
}


@pytest.mark.parametrize("fault", MENDED)
@virtual(PATIENCE)
async def test_a_look_that_fails_is_repeated_and_never_taken_for_an_answer(stage: Stage, fault: str) -> None:
    cloud = FakeDigitalOcean(holder=111)
    cloud.instead.extend(MENDED[fault])
    async with cloud.serving():
        ctx = configured(stage, cloud)
        began = asyncio.get_running_loop().time()
        await elect(ctx)
        took = asyncio.get_running_loop().time() - began
        assert took >= (7.0 if fault == "throttled" else 0.75)
        assert cloud.changes == []
        assert audited(ctx) == [f"failed {fault}"]
