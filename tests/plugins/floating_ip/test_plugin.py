"""The hooks of the plugin: what it does while its node leads, and what it says to the operator."""

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import les_plugins.floating_ip as plugin
from les_hooks.errors import PluginError
from les_hooks.events import EventKind
from les_hooks.hookspecs import Note
from les_hooks.testing import Harness, les_harness
from les_plugins.floating_ip.providers.digitalocean import DigitalOceanTable
from les_plugins.floating_ip.settings import FloatingIpConfig
from tests.cluster import Cluster
from tests.fake_context import FakeContext, an_event
from tests.plugins.floating_ip.fakes import TOKEN, FakeDigitalOcean, error
from tests.plugins.floating_ip.stage import Stage, audited, demote, elect
from tests.virtual import virtual

__all__ = ["les_harness"]  # the fixture

PATIENCE = 0.02
CALL = 'POST /v2/reserved_ips/203.0.113.7/actions {"type":"assign","droplet_id":111}'


def table(stage: Stage, cloud: FakeDigitalOcean, **keys: Any) -> DigitalOceanTable:
    return DigitalOceanTable(
        address=cloud.address, token_file=stage.token_file, api=cloud.url, metadata_url=cloud.url, **keys
    )


def context(stage: Stage, cloud: FakeDigitalOcean, **fields: Any) -> FakeContext:
    return stage.context(FloatingIpConfig(digitalocean=(table(stage, cloud),)), **fields)


@asynccontextmanager
async def leading(ctx: FakeContext) -> AsyncIterator[None]:
    """Elected, with the work that lasts, until the end of the block."""
    await elect(ctx)
    keeping = asyncio.create_task(plugin.while_leader(an_event(), ctx))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await demote(ctx)


# -- while it leads ----------------------------------------------------------------------------------------------------


@virtual(PATIENCE)
async def test_a_leader_looks_again_soon_and_then_slowly(stage: Stage) -> None:
    cloud, times = FakeDigitalOcean(holder=111), list[float]()
    now = asyncio.get_running_loop().time
    async with cloud.serving():
        cloud.before = lambda _: times.append(now())
        async with leading(context(stage, cloud)):
            await asyncio.sleep(190.0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == pytest.approx([5.0, 15.0, 45.0, 60.0, 60.0], abs=0.5)


@virtual(PATIENCE)
async def test_an_address_that_somebody_took_away_is_taken_back(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111, seconds=3.0)
    async with cloud.serving():
        ctx = context(stage, cloud)
        async with leading(ctx):
            cloud.holder = 333
            await asyncio.sleep(10.0)
            assert cloud.holder == 111
    assert audited(ctx) == ["accepted", "assigned"]


@virtual(PATIENCE)
async def test_a_provider_that_is_gone_for_long_ends_no_leadership(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111)
    async with cloud.serving():
        ctx = context(stage, cloud)
        async with leading(ctx):
            cloud.instead.extend([error(500)] * 40)
            await asyncio.sleep(3600.0)
            assert not cloud.instead
            assert plugin.status(ctx)["summary"] == "203.0.113.7 here"
    assert cloud.changes == []


@virtual(PATIENCE)
async def test_reasserted_looks_at_once_and_goes_on_under_its_own_term(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111)
    async with cloud.serving():
        ctx = context(stage, cloud)
        await elect(ctx, term=3)
        cloud.holder = 222
        await plugin.on_reasserted(an_event(EventKind.REASSERTED, term=5), ctx)
        assert cloud.holder == 111
        assert ctx.audited[-1]["term"] == 5


@virtual(PATIENCE)
async def test_two_leaders_take_turns_within_their_calls_and_the_one_that_is_left_has_it(stage: Stage) -> None:
    """A partition without a majority: both reach the provider, and not each other."""
    cloud = FakeDigitalOcean(holder=None, seconds=3.0)
    async with cloud.serving():
        one, two = (
            stage.context(FloatingIpConfig(digitalocean=(table(stage, cloud, droplet_id=each, calls_per_hour=60),)))
            for each in (111, 222)
        )
        async with leading(one):
            async with leading(two):
                await asyncio.sleep(3500.0)
                assert len(cloud.asked) <= 2 * 60
                assert {each.body["droplet_id"] for each in cloud.changes} == {111, 222}
            cloud.holder = 222
            await plugin.on_reasserted(an_event(EventKind.REASSERTED, term=5), one)
            assert cloud.holder == 111, "what is kept for this was not spent on the quarrel"


@virtual(PATIENCE)
async def test_getting_it_back_in_vain_leaves_calls_for_who_is_reasserted(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111)
    async with cloud.serving():
        ctx = stage.context(FloatingIpConfig(digitalocean=(table(stage, cloud, calls_per_hour=60),)))
        async with leading(ctx):
            cloud.holder, cloud.errors = 222, 1000
            await asyncio.sleep(1800.0)
            cloud.errors = 0
            await plugin.on_reasserted(an_event(EventKind.REASSERTED, term=5), ctx)
            assert cloud.holder == 111


@virtual(PATIENCE)
async def test_a_conflict_after_long_quiet_finds_calls_left(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111)
    async with cloud.serving():
        ctx = stage.context(FloatingIpConfig(digitalocean=(table(stage, cloud, calls_per_hour=20),), refresh=10.0))
        async with leading(ctx):
            await asyncio.sleep(1800.0)
            cloud.holder = 222
            await plugin.on_reasserted(an_event(EventKind.REASSERTED, term=5), ctx)
            assert cloud.holder == 111


@virtual(PATIENCE)
async def test_polls_and_looks_leave_calls_for_a_take_over(stage: Stage) -> None:
    cloud = FakeDigitalOcean(holder=111)
    async with cloud.serving():
        keys = table(stage, cloud, calls_per_hour=20)
        ctx = stage.context(FloatingIpConfig(digitalocean=(keys,), refresh=10.0))
        async with leading(ctx):
            await asyncio.sleep(1800.0)
            assert len(cloud.asked) == 15
            assert "spent" in str(plugin.status(ctx)["addresses"])
        cloud.holder = 222
        await elect(ctx, term=4)
        assert cloud.holder == 111
        assert len(cloud.asked) <= 20


@virtual(PATIENCE)
async def test_a_dry_run_says_what_it_would_call_and_calls_nothing(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    async with cloud.serving():
        ctx = context(stage, cloud, dry_run=True)
        await elect(ctx)
        assert cloud.changes == []
        (line,) = ctx.logged
        assert line == {"event": "address-would-move", "address": "203.0.113.7", "call": CALL}


@virtual(PATIENCE)
async def test_several_addresses_are_taken_side_by_side_and_each_failure_is_named(stage: Stage) -> None:
    one, two = FakeDigitalOcean(seconds=10.0), FakeDigitalOcean(address="203.0.113.8")
    two.instead.extend([error(404, "The resource you were accessing could not be found.")] * 100)
    async with one.serving(), two.serving():
        ctx = stage.context(FloatingIpConfig(digitalocean=(table(stage, one), table(stage, two)), patience=20.0))
        began = asyncio.get_running_loop().time()
        with pytest.raises(PluginError) as caught:
            await elect(ctx)
        assert asyncio.get_running_loop().time() - began <= 20.0
        assert str(caught.value).startswith("plugin floating_ip: 203.0.113.8: missing: status 404: The resource")
        assert one.holder == 111
        assert plugin.status(ctx)["summary"] == "2 addresses, 1 here, 1 not known, 1 in trouble"


# -- what it says ------------------------------------------------------------------------------------------------------


@virtual(PATIENCE)
async def test_status_tells_who_was_seen_with_each_address(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    async with cloud.serving():
        ctx = context(stage, cloud)
        assert plugin.status(ctx)["summary"] == "203.0.113.7 not known"
        await plugin.on_started(an_event(EventKind.STARTED), ctx)
        assert plugin.status(ctx)["summary"] == "203.0.113.7 at another"
        await elect(ctx)
        (row,) = await _control(ctx, "status")
        assert (row["holder"], row["holder_id"], row["own_id"], row["error"]) == ("mine", "111", "111", None)
        assert row["looked_at"] >= row["since"] > 1_700_000_000.0
        assert row["calls_left"] == 600 - len(cloud.asked)
        await demote(ctx)
        assert plugin.status(ctx)["summary"] == "203.0.113.7 not known"


@virtual(PATIENCE)
async def test_check_looks_now_and_shows_the_call_without_the_token(stage: Stage) -> None:
    cloud = FakeDigitalOcean()
    async with cloud.serving():
        ctx = context(stage, cloud)
        (row,) = await _control(ctx, "check")
        assert (row["holder"], row["call"]) == ("another", CALL)
        cloud.instead.append(error(403, "no scope"))
        (row,) = await _control(ctx, "check")
        assert (row["error"], row["call"]) == ("denied: status 403: no scope", None)
        assert cloud.changes == []
        assert await plugin.plan(EventKind.ELECTED, ctx) == [
            f"have digitalocean deliver 203.0.113.7 here, unless it does: {CALL}"
        ]
        assert await plugin.plan(EventKind.DEMOTED, ctx) == [
            "leave 203.0.113.7 where it is, for the next leader to take"
        ]
        assert await plugin.plan(EventKind.STARTED, ctx) == ()
        cloud.instead.append(error(500))
        (step,) = await plugin.plan(EventKind.ELECTED, ctx)
        assert "by a call that is not known now (broken: status 500" in step


async def _control(ctx: FakeContext, action: str) -> Any:
    return await plugin.control(action, {}, ctx)


async def test_an_unknown_action_is_refused(stage: Stage) -> None:
    with pytest.raises(PluginError, match="knows the actions status and check, not 'assign'"):
        await _control(stage.context(FloatingIpConfig()), "assign")


def test_les_check_complains_about_tokens(stage: Stage) -> None:
    ctx = context(stage, FakeDigitalOcean(url="https://api.example"))
    assert plugin.validate(ctx) == []
    stage.token_file.chmod(0o644)
    assert plugin.validate(ctx) == [
        f"203.0.113.7: {stage.token_file} (mode 0644): others could have the token; chmod o-rwx,g-w {stage.token_file}"
    ]
    stage.token_file.write_text("two words")
    assert "holds no token" in plugin.validate(ctx)[0]
    stage.token_file.unlink()
    assert plugin.validate(ctx)[0].endswith("No such file or directory; it has to hold the token")
    systemd = DigitalOceanTable(address="203.0.113.7", credential="do-token")
    (note,) = plugin.validate(stage.context(FloatingIpConfig(digitalocean=(systemd,))))
    assert isinstance(note, Note)
    assert note == "203.0.113.7: the credential do-token was not looked at: only systemd's unit has it"
    assert "no address is named" in plugin.validate(stage.context(FloatingIpConfig()))[0]


def test_a_critical_plugin_that_does_not_get_its_address_makes_the_node_step_down(
    les_harness: Harness, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    nobody = {"address": "203.0.113.7", "token_file": str(tmp_path / "token"), "droplet_id": 1}
    table = {"patience": "500ms", "digitalocean": [{**nobody, "api": "http://127.0.0.1:1"}]}
    les_harness.load("floating_ip", table)
    outcome = les_harness.fire("elected")
    assert outcome.outcome == "failure"
    assert outcome.error == "PluginError: plugin floating_ip: 203.0.113.7: unreachable: connection refused"
    assert les_harness.steps_down == 1


# -- a real daemon -----------------------------------------------------------------------------------------------------


async def test_a_daemon_takes_the_address_and_its_commands_tell(tmp_path: Path) -> None:
    cloud = FakeDigitalOcean(seconds=0.5)
    moved = asyncio.Event()
    cloud.before = lambda asked: moved.set() if cloud.holder == 111 and asked.method == "GET" else None
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    async with cloud.serving() as url:
        text = (
            f'\n[plugins.floating_ip]\npoll = "200ms"\n[[plugins.floating_ip.digitalocean]]\naddress = "203.0.113.7"\n'
            f'token_file = "{tmp_path}/token"\napi = "{url}"\nmetadata_url = "{url}"\n'
        )
        with await asyncio.to_thread(_started, tmp_path, text) as cluster:
            await asyncio.wait_for(moved.wait(), 20)
            (daemon,) = cluster.daemons
            for words in (("status",), ("check",)):
                argv = [sys.executable, "-m", "les_hooks", "floating-ip", *words]
                done = await asyncio.to_thread(
                    subprocess.run, argv, capture_output=True, text=True, timeout=30, check=False, cwd=daemon.folder
                )
                assert done.stdout.startswith("203.0.113.7  digitalocean  mine 111, for "), done.stderr
                assert done.returncode == 0
            assert f"    a leader without it calls {CALL}\n" in done.stdout
            for word in ("status", "check"):
                shown = await asyncio.to_thread(daemon.les, "floating-ip", word, "--json")
                (row,) = json.loads(shown.stdout)
                assert (row["address"], row["holder"], row["error"]) == ("203.0.113.7", "mine", None)
            planned = await asyncio.to_thread(daemon.les, "step-down", "--dry-run")
            assert "leave 203.0.113.7 where it is, for the next leader to take" in planned.stdout
        assert TOKEN not in daemon.said()
    assert [each.method for each in cloud.changes] == ["POST"]


def _started(folder: Path, text: str) -> Cluster:
    cluster = Cluster(folder, 1, text)
    cluster.__enter__()
    return cluster
