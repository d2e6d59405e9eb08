"""Addresses of Hetzner Cloud, against a fake that behaves as the API's documentation says; over real HTTP."""

import asyncio
import re
from typing import Any

import pytest

from les_hooks.errors import PluginError
from les_plugins.floating_ip.providers.hetzner import HetznerFloatingTable
from les_plugins.floating_ip.providers.hetzner_alias import HetznerAliasTable
from les_plugins.floating_ip.settings import FloatingIpConfig
from tests.fake_context import FakeContext
from tests.plugins.floating_ip.fakes import Asked, FakeHetzner, raw
from tests.plugins.floating_ip.stage import Stage, audited, demote, elect
from tests.virtual import virtual

PATIENCE = 0.02
VIP = "10.0.1.100"


def floating(stage: Stage, cloud: FakeHetzner, address: str = "203.0.113.7") -> FakeContext:
    """A context whose one address is the floating IP of the fake."""
    table = HetznerFloatingTable(
        address=address, floating_ip_id=4711, token_file=stage.token_file, api=cloud.url, metadata_url=cloud.url
    )
    return stage.context(FloatingIpConfig(hetzner=(table,)))


def alias(stage: Stage, cloud: FakeHetzner, **keys: Any) -> FakeContext:
    """A context whose one address is an alias IP in the network of the fake."""
    table = HetznerAliasTable(
        address=VIP, network_id=77, token_file=stage.token_file, api=cloud.url, metadata_url=cloud.url, **keys
    )
    return stage.context(FloatingIpConfig(hetzner_alias=(table,)))


def changes(cloud: FakeHetzner) -> list[tuple[str, Any]]:
    """What was to be changed, without what is the same in all of it."""
    return [(each.path.removeprefix("/v1/"), each.body) for each in cloud.changes]


# -- floating IPs ------------------------------------------------------------------------------------------------------


@virtual(PATIENCE)
async def test_a_new_leader_takes_a_floating_ip_and_waits_until_it_has_it(stage: Stage) -> None:
    cloud = FakeHetzner(seconds=4.0)
    async with cloud.serving():
        ctx = floating(stage, cloud)
        await elect(ctx)
        assert cloud.holder == 111
        assert changes(cloud) == [("floating_ips/4711/actions/assign", {"server": 111})]
        assert audited(ctx) == ["accepted", "assigned"]


@virtual(PATIENCE)
async def test_an_address_that_has_to_be_free_first_is_freed(stage: Stage) -> None:
    cloud = FakeHetzner(seconds=2.0, strict=True)
    async with cloud.serving():
        ctx = floating(stage, cloud)
        await elect(ctx)
        assert cloud.holder == 111
        assert [path.rpartition("/")[2] for path, _ in changes(cloud)] == ["assign", "unassign", "assign"]
        assert audited(ctx) == ["accepted", "accepted", "assigned"]


@virtual(PATIENCE)
async def test_a_lock_is_waited_for(stage: Stage) -> None:
    cloud = FakeHetzner(seconds=5.0)
    async with cloud.serving():
        ctx = floating(stage, cloud)
        cloud._act(lambda: None)  # another's, on the same address
        await elect(ctx)
        assert cloud.holder == 111
        assert audited(ctx) == ["failed busy", "accepted", "assigned"]
        assert ctx.audited[0]["reason"] == "status 423: locked: item you are trying to access is locked"


@virtual(PATIENCE)
async def test_an_action_that_fails_after_it_was_accepted_is_begun_again(stage: Stage) -> None:
    cloud = FakeHetzner(seconds=2.0, errors=1)
    async with cloud.serving():
        ctx = floating(stage, cloud)
        await elect(ctx)
        assert cloud.holder == 111
        assert audited(ctx) == ["accepted", "failed failed", "accepted", "assigned"]
        assert ctx.audited[1]["reason"] == "action 1: action_failed: Action failed"


@virtual(PATIENCE)
async def test_an_ipv6_address_is_one_of_the_network_that_hetzner_gives_out(stage: Stage) -> None:
    cloud = FakeHetzner(address="2001:db8:7::/64", holder=111)
    async with cloud.serving():
        ctx = floating(stage, cloud, "2001:db8:7::1")
        await elect(ctx)
        assert ctx.audited == []


@virtual(PATIENCE)
async def test_a_number_that_belongs_to_another_address_is_never_moved(stage: Stage) -> None:
    cloud = FakeHetzner(address="203.0.113.8")
    async with cloud.serving():
        with pytest.raises(PluginError, match=r"an answer about '203\.0\.113\.8', and not about 203\.0\.113\.7"):
            await elect(floating(stage, cloud))
        assert cloud.changes == []


# -- alias IPs ---------------------------------------------------------------------------------------------------------


@virtual(PATIENCE)
async def test_the_old_holder_drops_an_alias_before_this_server_gets_it_and_the_other_aliases_stay(
    stage: Stage,
) -> None:
    cloud = FakeHetzner(seconds=2.0, aliases={111: ["10.0.1.5"], 222: [VIP, "10.0.1.6"], 333: []})
    async with cloud.serving():
        ctx = alias(stage, cloud)
        await elect(ctx)
        assert cloud.aliases == {111: ["10.0.1.5", VIP], 222: ["10.0.1.6"], 333: []}
        assert changes(cloud) == [
            ("servers/222/actions/change_alias_ips", {"network": 77, "alias_ips": ["10.0.1.6"]}),
            ("servers/111/actions/change_alias_ips", {"network": 77, "alias_ips": ["10.0.1.5", VIP]}),
        ]
        assert audited(ctx) == ["accepted", "accepted", "assigned"]
        assert ctx.audited[-1]["instead_of"] == "another (222)"


@virtual(PATIENCE)
async def test_an_alias_that_is_here_costs_one_call(stage: Stage) -> None:
    cloud = FakeHetzner(aliases={111: [VIP], 222: []})
    async with cloud.serving():
        await elect(alias(stage, cloud))
        assert [each.path for each in cloud.asked] == ["/v1/servers/111"]


@virtual(PATIENCE)
async def test_an_alias_that_nobody_has_is_taken_in_one_action(stage: Stage) -> None:
    cloud = FakeHetzner(aliases={111: [], 222: []})
    async with cloud.serving():
        await elect(alias(stage, cloud))
        assert cloud.aliases[111] == [VIP]
        assert len(cloud.changes) == 1


@virtual(PATIENCE)
async def test_a_server_that_was_deleted_does_not_stand_in_the_way(stage: Stage) -> None:
    cloud = FakeHetzner(aliases={111: []})
    async with cloud.serving():
        await elect(alias(stage, cloud, servers=(111, 222)))
        assert cloud.aliases[111] == [VIP]


@virtual(PATIENCE)
async def test_a_server_that_is_not_in_the_network_is_told_so(stage: Stage) -> None:
    cloud = FakeHetzner(aliases={111: [], 222: []})
    async with cloud.serving():
        other = raw(b'{"server": {"id": 111, "private_net": []}}')
        cloud.instead.extend([other] * 50)
        with pytest.raises(PluginError, match="this server, 111, is not attached to network 77"):
            await elect(alias(stage, cloud))
        assert cloud.changes == []


@virtual(PATIENCE)
async def test_a_hand_over_between_the_two_actions_ends_with_the_first(stage: Stage) -> None:
    cloud = FakeHetzner(seconds=10.0, aliases={111: [], 222: [VIP]})
    async with cloud.serving():
        ctx = alias(stage, cloud)
        electing = asyncio.create_task(elect(ctx))
        await asyncio.sleep(3.0)
        await demote(ctx)
        with pytest.raises(PluginError, match="lost-authority"):
            await electing
        await asyncio.sleep(30.0)
        assert len(cloud.changes) == 1


ODD_SERVERS = {
    "another server": (b'{"server": {"id": 9, "private_net": []}}', "an answer about server 9, and not about 111"),
    "no address": (
        b'{"server": {"id": 111, "private_net": [{"network": 77, "alias_ips": ["10.0.1.x"]}]}}',
        "an alias '10.0.1.x', which is no address",
    ),
    "without the list": (b'{"server": {"id": 111}}', "missing required field private_net"),
}


@pytest.mark.parametrize("what", ODD_SERVERS)
@virtual(PATIENCE)
async def test_an_odd_answer_about_a_server_says_nothing_about_the_holder(stage: Stage, what: str) -> None:
    body, why = ODD_SERVERS[what]
    cloud = FakeHetzner(aliases={111: [], 222: [VIP]})
    cloud.instead.extend([raw(body)] * 50)
    async with cloud.serving():
        with pytest.raises(PluginError, match=re.escape(why)):
            await elect(alias(stage, cloud))
        assert cloud.changes == []


@virtual(PATIENCE)
async def test_a_server_that_cannot_be_asked_is_not_taken_for_one_without_the_address(stage: Stage) -> None:
    cloud = FakeHetzner(aliases={111: [], 222: [], 333: []})

    def fail(asked: Asked) -> None:
        if asked.path == "/v1/servers/222":
            cloud.instead.append(raw(b"{}", 500))

    cloud.before = fail
    async with cloud.serving():
        with pytest.raises(PluginError, match="broken: status 500"):
            await elect(alias(stage, cloud))
        assert cloud.changes == []


@virtual(PATIENCE)
async def test_a_network_of_too_many_servers_wants_them_named(stage: Stage) -> None:
    cloud = FakeHetzner(aliases={number: [] for number in range(100, 300)})
    async with cloud.serving():
        with pytest.raises(PluginError, match="199 servers in network 77; name those that may have it in servers"):
            await elect(alias(stage, cloud))
