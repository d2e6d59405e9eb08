"""Floating IPs of OpenStack, against a fake that behaves as the references of Keystone and Neutron say; over HTTP."""

import asyncio
import json
from typing import Any

import pytest

import les_plugins.floating_ip as plugin
from les_hooks.errors import PluginError
from les_hooks.events import EventKind
from les_plugins.floating_ip.providers.openstack.neutron import OpenStackTable
from les_plugins.floating_ip.settings import FloatingIpConfig
from tests.fake_context import FakeContext
from tests.plugins.floating_ip.fake_openstack import (
    CREDENTIAL,
    FLOATING,
    INSTANCE,
    OTHER,
    OWN,
    FakeOpenStack,
    neutron_error,
)
from tests.plugins.floating_ip.fakes import TOKEN, Answer, Asked, hang, raw, reset
from tests.plugins.floating_ip.stage import Stage, audited, demote, elect
from tests.virtual import virtual

PATIENCE = 0.02
THIRD = "0d9f1a6e-5a3a-4b5e-8f6c-3a0b8d6d1c11"

BY_CREDENTIAL = {
    "methods": ["application_credential"],
    "application_credential": {"id": CREDENTIAL, "secret": TOKEN},
    "scope": None,
}
BY_PASSWORD = {
    "methods": ["password"],
    "password": {"user": {"name": "les", "domain": {"name": "Default"}, "password": TOKEN}},
    "scope": {"project": {"name": "web", "domain": {"name": "Default"}}},
}


def fake(**fields: Any) -> FakeOpenStack:
    """A cloud that knows the login of the stage."""
    return FakeOpenStack(logins=[BY_CREDENTIAL, BY_PASSWORD], **fields)


def configured(stage: Stage, cloud: FakeOpenStack, *, patience: float = 60.0, **keys: Any) -> FakeContext:
    """A context whose one address is the floating IP of the fake."""
    plain: dict[str, Any] = {
        "address": cloud.address,
        "auth_url": f"{cloud.url}/identity",
        "application_credential_id": CREDENTIAL,
        "token_file": stage.token_file,
        "metadata_url": cloud.url,
    }
    table = OpenStackTable(**(plain | keys))
    return stage.context(FloatingIpConfig(openstack=(table,), patience=patience))


# -- taking it ---------------------------------------------------------------------------------------------------------


@virtual(PATIENCE)
async def test_a_new_leader_takes_the_floating_ip_of_another_port(stage: Stage) -> None:
    cloud = fake()
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.port == OWN
        (change,) = cloud.changes
        assert (change.method, change.path) == ("PUT", f"/v2.0/floatingips/{FLOATING}")
        assert change.body == {"floatingip": {"port_id": OWN}}
        assert audited(ctx) == ["assigned"]
        assert ctx.audited[0]["instead_of"] == f"another ({OTHER})"
        assert len(cloud.issued) == 1, "one token does for all of it"


@virtual(PATIENCE)
async def test_a_floating_ip_that_nobody_has_is_taken(stage: Stage) -> None:
    cloud = fake(port=None)
    async with cloud.serving():
        await elect(configured(stage, cloud, user="les", project="web", application_credential_id=None))
        assert cloud.port == OWN


@virtual(PATIENCE)
async def test_a_floating_ip_that_this_node_has_is_only_looked_at(stage: Stage) -> None:
    cloud = fake(port=OWN)
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        await elect(ctx)
        assert cloud.changes == []
        assert [each.path.partition("?")[0] for each in cloud.asked] == [
            "/v2.0/ports",
            "/v2.0/floatingips",
            "/v2.0/floatingips",
        ], "the own port is asked for once"


@virtual(PATIENCE)
async def test_a_port_and_its_fixed_address_can_be_configured(stage: Stage) -> None:
    cloud = fake(port=OWN, fixed_ip="10.0.1.11")
    async with cloud.serving():
        await elect(configured(stage, cloud, port_id=OWN, fixed_ip="10.0.1.44"))
        assert cloud.fixed_ip == "10.0.1.44"
        assert not [each for each in cloud.asked if "ports" in each.path]


@virtual(PATIENCE)
async def test_what_another_has_taken_since_it_was_looked_at_stays_there(stage: Stage) -> None:
    """As where this node was frozen between its look and its call: its successor has the address by then."""
    cloud = fake()

    def overtake(asked: Asked) -> None:
        if asked.method == "PUT" and cloud.port == OTHER:
            cloud.move(THIRD)

    cloud.before = overtake
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=0.5)
        with pytest.raises(PluginError, match="taken: status 412"):
            await elect(ctx)
        assert cloud.port == THIRD


@virtual(PATIENCE)
async def test_a_leader_that_was_overtaken_looks_again_and_takes_it(stage: Stage) -> None:
    cloud = fake()

    def touch(asked: Asked) -> None:
        if asked.method == "PUT" and cloud.revision == 3:
            cloud.revision = 4  # as when an agent writes a status

    cloud.before = touch
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.port == OWN
        assert audited(ctx) == ["failed taken", "assigned"]


@virtual(PATIENCE)
async def test_a_cloud_without_revisions_is_taken_at_its_word(stage: Stage) -> None:
    cloud = fake(revision=None)
    async with cloud.serving():
        await elect(configured(stage, cloud))
        assert cloud.port == OWN


@virtual(PATIENCE)
async def test_a_put_whose_answer_is_lost_is_found_done(stage: Stage) -> None:
    """aiohttp may send a PUT again when the server hangs up; the revision keeps that from being done twice."""
    cloud = fake()

    async def lose(request: Any) -> Any:
        cloud.move(OWN)
        return await reset(request)

    cloud.instead.extend([None, None, lose])
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert (cloud.port, cloud.revision) == (OWN, 4)
        assert audited(ctx) in (["failed unreachable", "assigned"], ["failed taken", "assigned"])


@virtual(PATIENCE)
async def test_who_loses_the_authority_after_the_look_does_not_call(stage: Stage) -> None:
    cloud = fake()
    async with cloud.serving():
        ctx = configured(stage, cloud)

        def lose(asked: Asked) -> None:
            if "floatingips" in asked.path:
                ctx.seconds = 0.0

        cloud.before = lose
        with pytest.raises(PluginError, match="lost-authority"):
            await elect(ctx)
        assert cloud.changes == []


@virtual(PATIENCE)
async def test_a_demotion_in_the_middle_of_a_call_ends_it(stage: Stage) -> None:
    cloud = fake()
    cloud.instead.extend([None, None, hang])
    async with cloud.serving():
        ctx = configured(stage, cloud)
        work = asyncio.create_task(elect(ctx))
        while not cloud.changes:
            await asyncio.sleep(0.001)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await demote(ctx)
        asked = len(cloud.asked)
        await asyncio.sleep(3600.0)
        assert len(cloud.asked) == asked


@virtual(PATIENCE)
async def test_a_dry_run_tells_the_call_and_no_token(stage: Stage) -> None:
    cloud = fake()
    async with cloud.serving():
        ctx = configured(stage, cloud)
        ctx.dry_run = True
        await elect(ctx)
        assert cloud.changes == []
        (said,) = [each["call"] for each in ctx.logged if "call" in each]
        assert said == f'PUT /v2.0/floatingips/{FLOATING} {{"floatingip":{{"port_id":"{OWN}"}}}}'


@virtual(PATIENCE)
async def test_a_node_that_does_not_lead_can_look(stage: Stage) -> None:
    """The token is had by a POST, which is nobody's privilege."""
    cloud = fake()
    async with cloud.serving():
        ctx = configured(stage, cloud)
        ctx.seconds = 0.0
        said: Any = await plugin.control("check", {}, ctx)
        assert [each["holder"] for each in said] == ["another"]
        assert cloud.changes == []


# -- faults ------------------------------------------------------------------------------------------------------------


def shown(**changed: Any) -> Answer:
    """A list of one floating IP that is not as it should be."""
    plain = {"id": FLOATING, "floating_ip_address": "203.0.113.7", "port_id": None, "revision_number": 3}
    left = {key: value for key, value in (plain | changed).items() if value != "left out"}
    return raw(json.dumps({"floatingips": [left]}).encode())


MENDED: dict[str, tuple[str, list[Answer | None]]] = {
    "a limit": ("throttled", [neutron_error(429, "OverLimit", Retry_After="9")]),
    "a limit of the old form": ("throttled", [raw(b'{"overLimit": {"retryAfter": "9"}}', 413)]),
    "an outage": ("broken", [raw(b"<html>503 Service Unavailable</html>", 503)]),
    "a page of a proxy": ("malformed", [raw(b"<html>")]),
    "no list": ("malformed", [raw(b"{}")]),
    "no port": ("malformed", [shown(port_id="left out")]),
    "an id for another path": ("malformed", [shown(id="../../networks")]),
    "silence": ("unreachable", [hang]),
    "a broken connection": ("unreachable", [reset, reset]),  # aiohttp asks a second time by itself
    "another address": ("missing", [shown(floating_ip_address="203.0.113.8")]),
}


@pytest.mark.parametrize("fault", MENDED)
@virtual(PATIENCE)
async def test_a_look_that_fails_is_repeated_and_never_taken_for_an_answer(stage: Stage, fault: str) -> None:
    cloud = fake(port=OWN)
    kind, answers = MENDED[fault]
    cloud.instead.extend(answers)
    async with cloud.serving():
        ctx = configured(stage, cloud, port_id=OWN)
        began = asyncio.get_running_loop().time()
        await elect(ctx)
        assert cloud.changes == []
        assert audited(ctx) == [f"failed {kind}"]
        assert asyncio.get_running_loop().time() - began >= (9.0 if fault == "a limit" else 0.75)


CHANGES: dict[str, tuple[str, Answer]] = {
    "another floating IP": ("refused", neutron_error(409, "FloatingIPPortAlreadyAssociated", "Cannot associate.")),
    "a bad port": ("refused", neutron_error(400, "BadRequest")),
    "an unknown floating IP": ("missing", neutron_error(404, "FloatingIPNotFound")),
    "forbidden": ("denied", neutron_error(403, "PolicyNotAuthorized")),
    "broken": ("broken", neutron_error(500, "HTTPInternalServerError")),
    "no answer": ("unreachable", hang),
}


@pytest.mark.parametrize("fault", CHANGES)
@virtual(PATIENCE)
async def test_a_change_that_fails_is_made_again_after_another_look(stage: Stage, fault: str) -> None:
    cloud = fake()
    kind, answer = CHANGES[fault]
    cloud.instead.extend([None, answer, *([answer] if kind == "denied" else [])])  # once more, with a new token
    async with cloud.serving():
        ctx = configured(stage, cloud, port_id=OWN)
        await elect(ctx)
        assert cloud.port == OWN
        assert audited(ctx) == [f"failed {kind}", "assigned"]


@virtual(PATIENCE)
async def test_a_floating_ip_in_error_is_no_success(stage: Stage) -> None:
    cloud = fake(status="ERROR")
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=20.0)
        with pytest.raises(PluginError, match="failed: the floating IP has the status ERROR"):
            await elect(ctx)
        assert len(cloud.changes) == 1
        assert str(plugin.status(ctx)["summary"]).startswith("203.0.113.7 at another, failed: ")


# -- tokens ------------------------------------------------------------------------------------------------------------


@virtual(PATIENCE)
async def test_a_token_that_is_accepted_no_more_is_had_anew(stage: Stage) -> None:
    cloud = fake()

    def revoke(asked: Asked) -> None:
        if asked.method == "PUT" and len(cloud.issued) == 1:
            cloud.valid.clear()

    cloud.before = revoke
    async with cloud.serving():
        ctx = configured(stage, cloud)
        await elect(ctx)
        assert cloud.port == OWN
        assert len(cloud.issued) == 2
        assert audited(ctx) == ["assigned"]


@virtual(PATIENCE)
async def test_a_token_is_had_anew_before_it_ends(stage: Stage) -> None:
    cloud = fake(port=OWN, lasts=50.0)
    async with cloud.serving():
        await elect(configured(stage, cloud, port_id=OWN))
        assert len(cloud.issued) == 2, "one for the catalogue, and one for Neutron"


@virtual(PATIENCE)
async def test_a_token_that_is_never_accepted_is_not_asked_for_without_end(stage: Stage) -> None:
    cloud = fake()
    cloud.before = lambda _: cloud.valid.clear()
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=0.5)
        with pytest.raises(PluginError, match="denied: status 401: The request you have made"):
            await elect(ctx)
        assert len(cloud.issued) == 1


@virtual(PATIENCE)
async def test_a_wrong_secret_is_told_and_not_shown(stage: Stage) -> None:
    cloud = fake()
    cloud.logins.clear()
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=0.5)
        with pytest.raises(PluginError, match="denied: no token: status 401: The request you have made"):
            await elect(ctx)
        assert (len(cloud.issued), cloud.asked) == (1, [])

        async def repeat(request: Any) -> Any:
            return await raw(json.dumps({"error": {"message": f"no {TOKEN}"}}).encode(), 401)(request)

        cloud.refused = repeat
        with pytest.raises(PluginError) as caught:
            await elect(ctx)
        told = f"{caught.value} {ctx.audited} {ctx.logged}"
        assert "no (token)" in told
        assert TOKEN not in told


@virtual(PATIENCE)
async def test_a_secret_that_was_changed_is_read_again(stage: Stage) -> None:
    cloud = fake()
    new = {"id": CREDENTIAL, "secret": "another"}

    def rotate(asked: Asked) -> None:
        if asked.method == "PUT" and len(cloud.issued) == 1:
            cloud.valid.clear()
            cloud.logins = [BY_CREDENTIAL | {"application_credential": new}]
            stage.token_file.write_text("another\n")

    cloud.before = rotate
    async with cloud.serving():
        await elect(configured(stage, cloud))
        assert cloud.port == OWN


KEYSTONE: dict[str, tuple[str, Answer]] = {
    "broken": ("broken", raw(b"", 500)),
    "throttled": ("throttled", raw(b"", 429)),
    "without a token": ("malformed", raw(b'{"token": {"expires_at": "2099-01-01T00:00:00Z"}}', 201)),
    "a token of two lines": ("malformed", raw(b"{}", 201, **{"X-Subject-Token": "a b"})),
    "no answer": ("unreachable", hang),
}


@pytest.mark.parametrize("fault", KEYSTONE)
@virtual(PATIENCE)
async def test_a_keystone_that_fails_says_nothing_of_the_holder(stage: Stage, fault: str) -> None:
    cloud = fake()
    kind, cloud.refused = KEYSTONE[fault]
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=0.5)
        with pytest.raises(PluginError, match=kind):
            await elect(ctx)
        assert cloud.asked == []


# -- where things are --------------------------------------------------------------------------------------------------


@virtual(PATIENCE)
async def test_an_endpoint_can_be_configured_and_needs_no_catalogue(stage: Stage) -> None:
    cloud = fake(regions=[])
    async with cloud.serving():
        await elect(configured(stage, cloud, endpoint=f"{cloud.url}/v2.0"))
        assert cloud.port == OWN
        assert cloud.issued[0].path.endswith("?nocatalog")


CATALOGUES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "two regions": ({"regions": ["one", "two"]}, {}, "2 endpoints .* one, two; set region"),
    "another region": ({}, {"region": "two"}, "0 endpoints .* none; set region or endpoint"),
    "no internal one": ({}, {"interface": "internal"}, "0 endpoints of the network service, internal"),
    "in the clear": ({"network": "http://198.51.100.1:9696"}, {}, "would carry the token in the clear.*; set endpoint"),
}


@pytest.mark.parametrize("case", CATALOGUES)
@virtual(PATIENCE)
async def test_a_catalogue_that_does_not_say_where_neutron_is_is_told(stage: Stage, case: str) -> None:
    fields, keys, words = CATALOGUES[case]
    cloud = fake(**fields)
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=0.5, **keys)
        with pytest.raises(PluginError, match=f"unprepared: .*{words}"):
            await elect(ctx)
        assert cloud.asked == []


@virtual(PATIENCE)
async def test_one_of_several_regions_can_be_chosen(stage: Stage) -> None:
    cloud = fake(regions=["one", "two"])
    async with cloud.serving():
        await elect(configured(stage, cloud, region="two"))
        assert cloud.port == OWN


@pytest.mark.parametrize("ports", [[], [OWN, OTHER]])
@virtual(PATIENCE)
async def test_an_instance_whose_port_is_not_plain_names_what_to_set(stage: Stage, ports: list[str]) -> None:
    cloud = fake(ports=ports)
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=0.5)
        with pytest.raises(PluginError, match=f"this instance has {len(ports)}; set port_id"):
            await elect(ctx)
        assert cloud.asked[0].path == f"/v2.0/ports?device_id={INSTANCE}"
        assert cloud.changes == []


# -- the table ---------------------------------------------------------------------------------------------------------

TABLES: dict[str, dict[str, Any]] = {
    "of IPv6": {"address": "2001:db8::7"},
    "needs a token": {"token_file": None},
    "needs a login": {"application_credential_id": None},
    "give it application_credential_id, or user and project": {"user": "les", "project": "web"},
    "needs user and project together": {"application_credential_id": None, "user": "les"},
}


@pytest.mark.parametrize("words", TABLES)
def test_a_table_that_says_too_little_or_too_much_is_refused(stage: Stage, words: str) -> None:
    plain: dict[str, Any] = {
        "address": "203.0.113.7",
        "auth_url": "https://keystone.example",
        "application_credential_id": CREDENTIAL,
        "token_file": stage.token_file,
    }
    with pytest.raises(ValueError, match=words):
        OpenStackTable(**(plain | TABLES[words]))


# -- what it says ------------------------------------------------------------------------------------------------------


@virtual(PATIENCE)
async def test_a_plan_is_made_where_nobody_has_looked_before(stage: Stage) -> None:
    cloud = fake()
    async with cloud.serving():
        (step,) = await plugin.plan(EventKind.ELECTED, configured(stage, cloud, port_id=OWN))
        assert step.endswith(f'PUT /v2.0/floatingips/{FLOATING} {{"floatingip":{{"port_id":"{OWN}"}}}}')
        assert cloud.port != OWN


@virtual(PATIENCE)
async def test_not_even_the_beginning_of_a_password_is_told(stage: Stage) -> None:
    """Texts are cut; what is left must not be the half of what was to be hidden."""
    cloud = fake()
    cloud.refused = raw(json.dumps({"error": {"message": "x" * 190 + TOKEN}}).encode(), 400)
    async with cloud.serving():
        ctx = configured(stage, cloud, patience=0.5)
        with pytest.raises(PluginError, match="no token: status 400") as caught:
            await elect(ctx)
        assert str(caught.value).endswith("x(token)")
