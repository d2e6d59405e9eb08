"""A reserved IP of DigitalOcean, against a fake that behaves as the API's documentation says; over real HTTP."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

import les_plugins.floating_ip as plugin
from les_hooks.errors import PluginError
from les_hooks.events import EventKind
from les_plugins.floating_ip.providers.digitalocean import DigitalOceanTable
from les_plugins.floating_ip.settings import FloatingIpConfig
from tests.fake_context import FakeContext, an_event
from tests.plugins.floating_ip.fakes import TOKEN, Answer, Asked, FakeDigitalOcean, error, hang, raw, reset
from tests.plugins.floating_ip.stage import Stage, audited, demote, elect
from tests.virtual import virtual

PATIENCE = 0.02
"""Real seconds without any traffic, after which the clock jumps: a request on loopback takes a hundredth of it."""

ASSIGN = Asked("POST", "/v2/reserved_ips/203.0.113.7/actions", {"type": "assign", "droplet_id": 111}, f"Bearer {TOKEN}")


def configured(stage: Stage, cloud: FakeDigitalOcean, calls_per_hour: int = 600, **keys: Any) -> FakeContext:
    """A context whose one address is that of the fake."""
    table = DigitalOceanTable(
        address=cloud.address,
        token_file=stage.token_file,
        api=cloud.url,
        metadata_url=cloud.url,
        calls_per_hour=calls_per_hour,
    )
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


MENDED_CHANGES: dict[str, list[Answer | None]] = {
    "busy": [None, error(422, "The Droplet already has a pending event.")],
    "throttled": [None, error(429, "API rate limit exceeded.", Retry_After="7")],
    "broken": [None, error(503, "Service unavailable")],
    "unreachable": [None, reset],
    "malformed": [None, raw(b'{"action": {"id": 1, "status": "finished"}}', 201)],
    "refused": [None, error(422, "Droplet is not in the same region.")],
}


@pytest.mark.parametrize("fault", MENDED_CHANGES)
@virtual(PATIENCE)
async def test_a_call_that_fails_is_made_again_after_another_look(stage: Stage, fault: str) -> None:
    cloud = FakeDigitalOcean(seconds=3.0)
    cloud.instead.extend(MENDED_CHANGES[fault])
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.holder == 111
        assert [each.method for each in cloud.asked[:4]] == ["GET", "POST", "GET", "POST"]
        assert audited(ctx) == [f"failed {fault}", "accepted", "assigned"]


@virtual(PATIENCE)
async def test_an_address_that_another_change_is_pending_for_is_not_known_to_be_here(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111, seconds=4.0)
    async with cloud.serving():
        cloud._assign({"type": "assign", "droplet_id": 222})  # of the last leader
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.holder == 111
        assert audited(ctx) == ["failed busy", "accepted", "assigned"]


@virtual(PATIENCE)
async def test_a_hand_over_while_a_call_is_on_its_way_is_told(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    cloud.instead.extend([None, hang])
    async with cloud.serving():
        ctx = configured(stage, cloud)
        electing = asyncio.create_task(elect(ctx))
        await asyncio.sleep(2.0)
        electing.cancel()
        await asyncio.wait({electing})
        assert audited(ctx) == ["abandoned"]


@virtual(PATIENCE)
async def test_a_change_that_was_accepted_and_then_failed_is_made_again(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=2.0, errors=1)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.holder == 111
        assert audited(ctx) == ["accepted", "failed failed", "accepted", "assigned"]


@virtual(PATIENCE)
async def test_a_poll_that_fails_asks_for_nothing_anew(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=8.0)
    cloud.instead.extend([None, None, error(500), raw(b"oops"), reset, error(429, Retry_After="3")])
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.holder == 111
        assert len(cloud.changes) == 1
        assert audited(ctx)[0] == "accepted"
        assert audited(ctx)[-1] == "assigned"


@virtual(PATIENCE)
async def test_a_change_that_completes_and_moves_nothing_is_no_success(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=1.0)

    def steal(asked: Asked) -> None:
        if len(cloud.actions) == 1 and asked.method == "GET" and cloud.actions[0].over:
            cloud.holder = 333

    cloud.before = steal
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.holder == 111
        assert audited(ctx) == ["accepted", "failed failed", "accepted", "assigned"]


@virtual(PATIENCE)
async def test_a_hand_over_in_the_middle_of_a_poll_ends_all_calls(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=30.0)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        electing = asyncio.create_task(elect(ctx))
        await asyncio.sleep(5.0)
        electing.cancel()
        await asyncio.wait({electing})
        await demote(ctx)
        asked = len(cloud.asked)
        await asyncio.sleep(60.0)
        assert len(cloud.asked) == asked > 3
        assert audited(ctx) == ["accepted", "abandoned"]


@virtual(PATIENCE)
async def test_a_leadership_that_is_over_calls_nothing_even_if_nobody_ended_it(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=30.0)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        electing = asyncio.create_task(elect(ctx))
        await asyncio.sleep(5.0)
        await demote(ctx)
        asked = len(cloud.asked)
        with pytest.raises(PluginError, match="lost-authority: this node may not act as the leader of term 3 now"):
            await electing
        assert len(cloud.asked) == asked
        assert audited(ctx) == ["accepted", "lost-authority lost-authority"]


@virtual(PATIENCE)
async def test_authority_that_is_lost_between_look_and_call_keeps_the_call_from_being_made(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=10.0)

        def lose(_: Asked) -> None:
            ctx.seconds = 0.0

        cloud.before = lose
        with pytest.raises(PluginError, match="lost-authority"):
            await elect(ctx)
        assert [each.method for each in cloud.asked] == ["GET"]


@virtual(PATIENCE)
async def test_authority_that_comes_back_is_waited_for(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    async with cloud.serving():
        ctx = configured(stage, cloud)
        ctx.confirming = asyncio.Event()
        electing = asyncio.create_task(elect(ctx))
        await asyncio.sleep(2.0)
        assert cloud.asked == []
        ctx.confirming.set()
        await electing
        assert cloud.holder == 111


@virtual(PATIENCE)
async def test_who_does_not_get_the_address_in_time_fails_and_says_why_without_the_token(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    cloud.instead.extend([error(500, f"no luck with {TOKEN}")] * 100)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        began = asyncio.get_running_loop().time()
        with pytest.raises(PluginError) as caught:
            await elect(ctx)
        assert 30.0 < asyncio.get_running_loop().time() - began <= 60.0
        assert str(caught.value) == ("plugin floating_ip: 203.0.113.7: broken: status 500: no luck with (token)")
        assert audited(ctx) == ["failed broken"], "said once, not with each attempt"
        assert TOKEN not in str(ctx.logged) + str(ctx.audited) + str(plugin.status(ctx))


@virtual(PATIENCE)
async def test_a_wait_that_the_provider_asks_for_and_there_is_no_time_for_fails_at_once(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    cloud.instead.append(error(429, "slow down", Retry_After="600"))
    async with cloud.serving():
        began = asyncio.get_running_loop().time()
        with pytest.raises(PluginError, match="throttled: status 429: slow down"):
            await elect(configured(stage, cloud))
        assert asyncio.get_running_loop().time() - began < 1.0


@virtual(PATIENCE)
async def test_an_action_that_never_ends_fails_when_the_patience_does(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=1e6)
    async with cloud.serving():
        with pytest.raises(PluginError, match="was accepted, and is not done yet"):
            await elect(configured(stage, cloud))
        assert len(cloud.changes) == 1


@virtual(PATIENCE)
async def test_patience_ends_in_the_middle_of_a_call_too(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    cloud.instead.extend([hang] * 20)
    async with cloud.serving():
        began = asyncio.get_running_loop().time()
        with pytest.raises(PluginError, match=r"unreachable: no answer within 10 s"):
            await elect(configured(stage, cloud, patience=25.0))
        assert asyncio.get_running_loop().time() - began == pytest.approx(25.0, abs=1.0)


@virtual(PATIENCE)
async def test_a_poll_that_is_to_be_repeated_too_late_is_not_waited_for(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=1e6)
    cloud.instead.extend([None, None, error(429, "slow down", Retry_After="600")])
    async with cloud.serving():
        began = asyncio.get_running_loop().time()
        with pytest.raises(PluginError, match="throttled: status 429: slow down"):
            await elect(configured(stage, cloud))
        assert asyncio.get_running_loop().time() - began == pytest.approx(60.0, abs=1.0)


@virtual(PATIENCE)
async def test_a_token_that_is_rotated_while_leading_is_read_again(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=10.0)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        electing = asyncio.create_task(elect(ctx))
        await asyncio.sleep(3.0)
        cloud.tokens = {"rotated"}
        stage.token_file.write_text("rotated")
        await electing
        assert audited(ctx) == ["accepted", "assigned"]


@virtual(PATIENCE)
async def test_a_metadata_service_that_fails_is_named_with_the_key_to_set_and_asked_again(stage: Stage) -> None:
    cloud = FakeDigitalOcean(own_id="<html>")
    async with cloud.serving():
        ctx = configured(stage, cloud)
        with pytest.raises(PluginError) as caught:
            await plugin.on_started(an_event(EventKind.STARTED), ctx)
        assert "own id is not known" in str(caught.value)
        assert str(caught.value).endswith("set droplet_id")
        cloud.own_id = "111"
        await elect(ctx)
        assert cloud.holder == 111


@virtual(PATIENCE)
async def test_an_id_that_is_configured_is_not_asked_for(stage: Stage) -> None:
    cloud = FakeDigitalOcean(own_id="999")
    async with cloud.serving():
        table = DigitalOceanTable(address=cloud.address, token_file=stage.token_file, api=cloud.url, droplet_id=111)
        await elect(stage.context(FloatingIpConfig(digitalocean=(table,))))
        assert cloud.holder == 111


@virtual(PATIENCE)
async def test_an_answer_about_another_address_is_none(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111)
    other = raw(b'{"reserved_ip": {"ip": "203.0.113.8", "droplet": null}}')
    absent = raw(b'{"reserved_ip": {"ip": "203.0.113.7"}}')
    cloud.instead.extend([other, absent])
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.changes == []
        assert audited(ctx) == ["failed malformed"] * 2


@virtual(PATIENCE)
async def test_a_wait_that_the_provider_asks_for_binds_the_next_leadership_and_the_operator_too(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    cloud.instead.append(error(429, "slow down", Retry_After="600"))
    async with cloud.serving():
        ctx = configured(stage, cloud)
        with pytest.raises(PluginError, match="throttled: status 429"):
            await elect(ctx)
        await demote(ctx)
        await asyncio.sleep(30.0)
        with pytest.raises(PluginError, match=r"throttled: the provider wants to be left alone for 5\d\d s more"):
            await elect(ctx, term=4)
        assert await plugin.control("check", {}, ctx)
        assert len(cloud.asked) == 1
        await asyncio.sleep(600.0)
        await elect(ctx, term=5)
        assert cloud.holder == 111


@virtual(PATIENCE)
async def test_polls_that_fail_come_less_and_less_often(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=1e6)
    cloud.instead.extend([None, None, *[error(429)] * 100])
    async with cloud.serving():
        with pytest.raises(PluginError, match="throttled"):
            await elect(configured(stage, cloud))
        assert len(cloud.asked) <= 2 + 6, "after 1, 2, 4, 8, 16 s, and each a poll later"


@virtual(PATIENCE)
async def test_where_no_calls_are_left_for_polls_the_address_is_looked_at_all_the_same(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111, seconds=8.0)
    async with cloud.serving():
        ctx = configured(stage, cloud, calls_per_hour=20)
        await elect(ctx)
        for _ in range(14):
            await plugin.control("check", {}, ctx)
        await demote(ctx)
        cloud.holder = 222
        await elect(ctx, term=4)
        assert cloud.holder == 111
        assert audited(ctx) == ["accepted", "failed spent", "assigned"]
        assert len(cloud.changes) == 1


@virtual(PATIENCE)
async def test_a_call_whose_answer_is_lost_and_that_was_carried_out_is_told_as_such(stage: Stage) -> None:
    cloud = FakeDigitalOcean()

    async def lose(request: web.Request) -> web.StreamResponse:
        cloud.holder = 111
        return await reset(request)

    cloud.instead.extend([None, lose])
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert audited(ctx) == ["failed unreachable", "assigned"]
        assert ctx.audited[-1]["instead_of"] == "another (222)"


@virtual(PATIENCE)
async def test_a_token_that_sees_no_droplet_is_not_taken_for_an_address_that_nobody_has(stage: Stage) -> None:
    cloud = FakeDigitalOcean(seconds=1.0)
    nobody = raw(b'{"reserved_ip": {"ip": "203.0.113.7", "droplet": null, "locked": false}}')

    def blind(asked: Asked) -> None:
        if asked.method == "GET" and not asked.path.split("/")[-1].isdigit():
            cloud.instead.appendleft(nobody)

    cloud.before = blind
    async with cloud.serving():
        with pytest.raises(PluginError, match=r"denied: nobody is shown with it .* droplet:read"):
            await elect(configured(stage, cloud))


@pytest.mark.parametrize("moment", range(12))
@virtual(PATIENCE)
async def test_a_demotion_at_whatever_moment_ends_all_calls(stage: Stage, moment: int) -> None:
    """Once before each request, and in each wait between them."""
    cloud = FakeDigitalOcean(seconds=3.0)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        electing = asyncio.create_task(elect(ctx))

        def demote_then(_: Asked) -> None:
            if len(cloud.asked) > moment // 2:
                electing.cancel()

        if moment % 2:
            cloud.before = demote_then
        else:
            await asyncio.sleep(moment / 2)
            electing.cancel()
        await asyncio.wait({electing})
        await demote(ctx)
        asked = len(cloud.asked)
        await asyncio.sleep(300.0)
        assert len(cloud.asked) == asked
        assert len(cloud.changes) <= 1
        assert set(audited(ctx)) <= {"accepted", "abandoned", "assigned"}
