"""Addresses of EC2, against a fake that behaves as the API's documentation says; over real HTTP."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import les_plugins.floating_ip as plugin
from les_hooks.errors import PluginError
from les_hooks.events import EventKind
from les_plugins.floating_ip.providers.aws import signing
from les_plugins.floating_ip.providers.aws.answers import error_in
from les_plugins.floating_ip.providers.aws.eip import AwsEipTable
from les_plugins.floating_ip.providers.aws.private_ip import AwsPrivateIpTable
from les_plugins.floating_ip.settings import FloatingIpConfig
from les_plugins.floating_ip.trouble import Trouble
from tests.fake_context import FakeContext
from tests.plugins.floating_ip.fake_ec2 import KEY, OTHER, OWN, SECRET, FakeEc2, aws_error
from tests.plugins.floating_ip.fakes import Answer, Asked, hang, raw, reset
from tests.plugins.floating_ip.stage import Stage, audited, demote, elect
from tests.virtual import virtual

PATIENCE = 0.02
THREADS = 0.5
"""The same where credentials are looked for in a thread, as they are in truth: the clock must not outrun it."""

VIP = "10.0.1.100"


@pytest.fixture
def credentials_file(tmp_path: Path) -> Path:
    """A file as AWS's own programs have it, with the keys that the fake knows."""
    path = tmp_path / "credentials"
    path.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read credentials right away."""

    def found(work: Callable[[], Any]) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        try:
            future.set_result(work())
        except Trouble as trouble:
            future.set_exception(trouble)
        return future

    monkeypatch.setattr(signing, "_in_thread", found)


def eip(stage: Stage, cloud: FakeEc2, file: Path | None, *, patience: float = 60.0, **keys: Any) -> FakeContext:
    """A context whose one address is the elastic IP of the fake."""
    plain = {"address": cloud.address, "region": "eu-central-1", "api": cloud.url, "metadata_url": cloud.url}
    table = AwsEipTable(**(plain | {"credentials_file": file} | keys))
    return stage.context(FloatingIpConfig(aws_eip=(table,), patience=patience))


def private_ip(stage: Stage, cloud: FakeEc2, file: Path | None, *, patience: float = 60.0, **keys: Any) -> FakeContext:
    """A context whose one address is a secondary private IP in the subnet of the fake."""
    plain = {"address": VIP, "region": "eu-central-1", "api": cloud.url, "metadata_url": cloud.url}
    table = AwsPrivateIpTable(**(plain | {"credentials_file": file} | keys))
    return stage.context(FloatingIpConfig(aws_private_ip=(table,), patience=patience))


def forget_credentials(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Let there be none on this host."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("HOME", str(home))


# -- elastic IPs -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_new_leader_takes_an_elastic_ip_from_another(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)
        await elect(ctx)
        assert cloud.holder == OWN
        assert cloud.actions == ["DescribeAddresses", "DisassociateAddress", "AssociateAddress", "DescribeAddresses"]
        assert cloud.asked[1].body["AssociationId"] == "eipassoc-1"
        assert cloud.asked[2].body["AllowReassociation"] == "false"
        assert audited(ctx) == ["assigned"]
        assert ctx.audited[0]["instead_of"] == f"another ({OTHER})"


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_an_elastic_ip_that_nobody_has_is_taken_in_one_call(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2(holder=None)
    async with cloud.serving():
        await elect(eip(stage, cloud, credentials_file))
        assert cloud.holder == OWN
        assert [each.body["Action"] for each in cloud.changes] == ["AssociateAddress"]


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_an_elastic_ip_that_this_node_has_is_only_looked_at(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2(holder=OWN)
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)
        await elect(ctx)
        await elect(ctx)
        assert cloud.actions == ["DescribeAddresses"] * 2
        assert cloud.imds == {"mac": 1, "interface-id": 1}, "the own id is asked for once"


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_an_elastic_ip_goes_to_the_private_address_that_it_belongs_to(
    stage: Stage, credentials_file: Path
) -> None:
    cloud = FakeEc2(holder=OWN, holder_ip="10.0.1.11")
    async with cloud.serving():
        await elect(eip(stage, cloud, credentials_file, network_interface=OWN, private_ip="10.0.1.44"))
        assert (cloud.holder, cloud.holder_ip) == (OWN, "10.0.1.44")
        assert not cloud.imds


@pytest.mark.parametrize("seen", [OTHER, None])
@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_what_another_has_taken_since_it_was_looked_at_stays_there(
    stage: Stage, credentials_file: Path, seen: str | None
) -> None:
    """As where this node was frozen between its look and its call: its successor has the address by then."""
    cloud = FakeEc2(holder=seen)
    cloud.private["eni-0c3"] = ["10.0.1.13"]

    def overtake(asked: Asked) -> None:
        if asked.method == "POST" and cloud.associations == 1:
            cloud.associate("eni-0c3")

    cloud.before = overtake
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, patience=0.5)
        with pytest.raises(PluginError, match="taken"):
            await elect(ctx)
        assert cloud.holder == "eni-0c3"
        assert audited(ctx) == ["failed taken"]


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_leader_that_finds_it_taken_looks_again_and_takes_it(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2(holder=None)
    cloud.instead.extend([None, aws_error(400, "Resource.AlreadyAssociated")])
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)
        await elect(ctx)
        assert cloud.holder == OWN
        assert audited(ctx) == ["failed taken", "assigned"]


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_who_is_demoted_between_the_two_calls_does_not_make_the_second(
    stage: Stage, credentials_file: Path
) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)

        def lose(asked: Asked) -> None:
            if asked.body["Action"] == "DisassociateAddress":
                ctx.seconds = 0.0

        cloud.before = lose
        with pytest.raises(PluginError, match="lost-authority"):
            await elect(ctx)
        assert [each.body["Action"] for each in cloud.changes] == ["DisassociateAddress"]
        assert cloud.holder is None


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_demotion_in_the_middle_of_a_call_ends_it(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    cloud.instead.extend([None, hang])
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)
        work = asyncio.create_task(elect(ctx))
        while len(cloud.asked) < 2:
            await asyncio.sleep(0.001)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await demote(ctx)
        await asyncio.sleep(3600.0)
        assert len(cloud.asked) == 2


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_dry_run_tells_the_call_without_its_signature(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)
        ctx.dry_run = True
        await elect(ctx)
        assert cloud.changes == []
        (said,) = [each["call"] for each in ctx.logged if "call" in each]
        assert said.startswith('POST / {"Action":"DisassociateAddress"')
        assert "Signature" not in said


# -- faults ------------------------------------------------------------------------------------------------------------

EMPTY = b"<DescribeAddressesResponse/>"


def shown(inside: str, before: str = "") -> Answer:
    """An answer with one address."""
    item = f"<addressesSet><item>{inside}</item></addressesSet>"
    return raw(f"{before}<DescribeAddressesResponse>{item}</DescribeAddressesResponse>".encode())


IP, ALLOCATION = "<publicIp>203.0.113.7</publicIp>", "<allocationId>eipalloc-1</allocationId>"
ENTITY = '<!DOCTYPE a [<!ENTITY ip "203.0.113.7">]>'

MENDED: dict[str, tuple[str, list[Answer | None]]] = {
    "a limit": ("throttled", [aws_error(503, "RequestLimitExceeded", "Request limit exceeded.")]),
    "a limit that says how long": ("throttled", [aws_error(503, "RequestLimitExceeded", Retry_After="9")]),
    "too many requests": ("throttled", [aws_error(429, "ThrottlingException")]),
    "an outage": ("broken", [aws_error(503, "Unavailable")]),
    "an error of its own": ("broken", [aws_error(500, "InternalError")]),
    "a page of a proxy": ("malformed", [raw(b"<html>")]),
    "another answer": ("malformed", [raw(b"<DescribeRegionsResponse/>")]),
    "no set": ("malformed", [raw(EMPTY)]),
    "another address": ("malformed", [shown(f"<publicIp>203.0.113.8</publicIp>{ALLOCATION}")]),
    "a document type": ("malformed", [shown(f"<publicIp>&ip;</publicIp>{ALLOCATION}", ENTITY)]),
    "no allocation": ("malformed", [shown(IP)]),
    "half an association": ("malformed", [shown(f"{IP}{ALLOCATION}<associationId>eipassoc-1</associationId>")]),
    "no UTF-8": ("malformed", [raw(b"<a>\xff\xfe</a>")]),
    "too much": ("malformed", [raw(b"<a>" + b" " * 100_000 + b"</a>")]),
    "silence": ("unreachable", [hang]),
    "a broken connection": ("unreachable", [reset, reset]),  # aiohttp asks a second time by itself
}


@pytest.mark.parametrize("fault", MENDED)
@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_look_that_fails_is_repeated_and_never_taken_for_an_answer(
    stage: Stage, credentials_file: Path, fault: str
) -> None:
    cloud = FakeEc2(holder=OWN)
    kind, answers = MENDED[fault]
    cloud.instead.extend(answers)
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)
        began = asyncio.get_running_loop().time()
        await elect(ctx)
        assert cloud.changes == []
        assert audited(ctx) == [f"failed {kind}"]
        assert asyncio.get_running_loop().time() - began >= (9.0 if "how long" in fault else 0.75)


CHANGES: dict[str, tuple[str, Answer]] = {
    "the interface is not ready": ("busy", aws_error(400, "IncorrectState", "The interface is being attached.")),
    "the instance is not ready": ("busy", aws_error(400, "IncorrectInstanceState")),
    "the address is locked": ("refused", aws_error(400, "InvalidAddress.Locked")),
    "throttled": ("throttled", aws_error(503, "RequestLimitExceeded")),
    "no answer": ("unreachable", hang),
}


@pytest.mark.parametrize("fault", CHANGES)
@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_change_that_fails_is_made_again_after_another_look(
    stage: Stage, credentials_file: Path, fault: str
) -> None:
    cloud = FakeEc2(holder=None)
    kind, answer = CHANGES[fault]
    cloud.instead.extend([None, answer])
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)
        await elect(ctx)
        assert cloud.holder == OWN
        assert audited(ctx) == [f"failed {kind}", "assigned"]
        assert cloud.actions[1:4] == ["AssociateAddress", "DescribeAddresses", "AssociateAddress"]


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_an_address_that_ec2_does_not_know_is_no_address_that_nobody_has(
    stage: Stage, credentials_file: Path
) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, address="203.0.113.99", patience=5.0)
        with pytest.raises(PluginError, match=r"missing: status 400: InvalidAddress.NotFound: Address '203.0.113.99'"):
            await elect(ctx)
        assert cloud.changes == []


# -- credentials -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_credentials_that_were_changed_are_read_again(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file)

        def rotate(asked: Asked) -> None:
            if asked.body["Action"] == "DisassociateAddress" and KEY in cloud.keys:
                cloud.keys = {"AKIANEW": "new+secret"}
                credentials_file.write_text(
                    "[default]\naws_access_key_id = AKIANEW\naws_secret_access_key = new+secret\n"
                )

        cloud.before = rotate
        await elect(ctx)
        assert cloud.holder == OWN
        assert audited(ctx) == ["assigned"]


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_wrong_credentials_are_told_and_not_shown(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2(keys={KEY: "another"})
    cloud.instead.append(aws_error(403, "SignatureDoesNotMatch", f"{KEY} {SECRET}"))
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, patience=3.0)
        with pytest.raises(PluginError, match="denied: status 401: AuthFailure") as caught:
            await elect(ctx)
        told = f"{caught.value} {ctx.audited} {ctx.logged}"
        assert "(credentials)" in told
        assert SECRET not in told
        assert KEY not in told


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_file_of_credentials_that_is_not_there_is_a_clear_error(stage: Stage, tmp_path: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, tmp_path / "nothing", patience=0.5)
        with pytest.raises(PluginError, match=r"unprepared: no credentials: there is no file .*/nothing"):
            await elect(ctx)
        assert cloud.asked == []


@virtual(THREADS)
async def test_no_credentials_anywhere_are_a_clear_error(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_credentials(monkeypatch, tmp_path)
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, None, patience=0.5)
        with pytest.raises(PluginError, match="unprepared: no credentials: give the instance a role, or set"):
            await elect(ctx)
        assert cloud.asked == []


@virtual(THREADS)
async def test_the_credentials_of_the_role_come_from_the_metadata_service(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_credentials(monkeypatch, tmp_path)
    cloud = FakeEc2(role="web")
    async with cloud.serving():
        await elect(eip(stage, cloud, None))
        assert cloud.holder == OWN


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_profile_that_is_not_there_is_a_clear_error(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, profile="web", patience=0.5)
        with pytest.raises(PluginError, match="profile"):
            await elect(ctx)


@virtual(PATIENCE)
async def test_credentials_that_do_not_come_are_not_waited_for_longer_than_a_call(
    stage: Stage, credentials_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    loads: list[signing.CredentialSource] = []

    def load(source: signing.CredentialSource) -> Any:
        loads.append(source)
        go_on.wait(10.0)
        return None

    monkeypatch.setattr(signing.CredentialSource, "load", load)
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, patience=50.0)
        with pytest.raises(PluginError, match="no credentials within 10 s"):
            await elect(ctx)
        assert len(loads) == 1, "no thread is added to one that hangs"
    go_on.set()


@virtual(PATIENCE)
async def test_a_missing_botocore_is_told_with_what_to_install(
    stage: Stage, credentials_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    words = "botocore, which signs the requests, is not installed; pip install 'les-hooks[aws]'"
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, patience=0.5)
        assert ctx.config.aws_eip[0].problems({}) == [words]
        with pytest.raises(PluginError, match=re.escape(words)):
            await elect(ctx)
        assert cloud.asked == []


@virtual(PATIENCE)
async def test_credentials_that_fail_in_an_unknown_way_are_a_trouble_like_others(
    stage: Stage, credentials_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(source: signing.CredentialSource) -> Any:
        raise LookupError("a role that may not be assumed")

    monkeypatch.setattr(signing.CredentialSource, "load", load)
    cloud = FakeEc2()
    async with cloud.serving():
        with pytest.raises(PluginError, match="unprepared: no credentials: a role that may not be assumed"):
            await elect(eip(stage, cloud, credentials_file, patience=0.5))


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_node_that_does_not_lead_can_look(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, network_interface=OWN)
        ctx.seconds = 0.0
        said: Any = await plugin.control("check", {}, ctx)
        assert [each["holder"] for each in said] == ["another"]
        assert [each.method for each in cloud.asked] == ["GET"]


def test_botocore_is_loaded_by_who_needs_it_alone() -> None:
    program = "import sys, les_plugins.floating_ip; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_file_of_credentials_that_others_can_read_is_told(credentials_file: Path) -> None:
    table = AwsEipTable(address="203.0.113.7", region="eu-central-1", credentials_file=credentials_file)
    assert table.problems({}) == []
    credentials_file.chmod(0o644)
    assert "chmod" in table.problems({})[0]
    credentials_file.unlink()
    assert "No such file" in table.problems({})[0]


# -- secondary private IPs ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_private_ip_moves_and_is_waited_for_until_the_instance_is_told_of_it(
    stage: Stage, credentials_file: Path
) -> None:
    cloud = FakeEc2(slow=3)
    cloud.private[OTHER].append(VIP)
    async with cloud.serving():
        ctx = private_ip(stage, cloud, credentials_file)
        await elect(ctx)
        assert cloud.private == {OWN: ["10.0.1.11", VIP], OTHER: ["10.0.1.12"]}
        (change,) = cloud.changes
        assert change.body["AllowReassignment"] == "true"
        assert cloud.imds["local-ipv4s"] == 4
        assert audited(ctx) == ["accepted", "assigned"]


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_private_ip_that_nobody_has_is_taken_from_nobody(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        await elect(private_ip(stage, cloud, credentials_file, network_interface=OWN))
        assert cloud.private[OWN] == ["10.0.1.11", VIP]
        (change,) = cloud.changes
        assert change.body["AllowReassignment"] == "false"
        assert not cloud.imds


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_private_ip_that_another_has_taken_since_the_look_stays_there(
    stage: Stage, credentials_file: Path
) -> None:
    cloud = FakeEc2()

    def overtake(asked: Asked) -> None:
        if asked.method == "POST" and VIP not in cloud.private[OTHER]:
            cloud.private[OTHER].append(VIP)

    cloud.before = overtake
    async with cloud.serving():
        ctx = private_ip(stage, cloud, credentials_file, patience=0.5)
        with pytest.raises(PluginError, match="taken"):
            await elect(ctx)
        assert VIP in cloud.private[OTHER]


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_private_ip_that_this_node_has_takes_one_look(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    cloud.private[OWN].append(VIP)
    async with cloud.serving():
        await elect(private_ip(stage, cloud, credentials_file))
        assert cloud.actions == ["DescribeNetworkInterfaces"]


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_an_answer_without_the_subnet_does_not_make_an_address_free(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    inside = f"<networkInterfaceId>{OWN}</networkInterfaceId><privateIpAddressesSet/>"
    answer = f"<networkInterfaceSet><item>{inside}</item></networkInterfaceSet>"
    cloud.instead.append(
        raw(f"<DescribeNetworkInterfacesResponse>{answer}</DescribeNetworkInterfacesResponse>".encode())
    )
    async with cloud.serving():
        ctx = private_ip(stage, cloud, credentials_file, patience=0.5)
        with pytest.raises(PluginError, match="malformed: an answer without the subnet"):
            await elect(ctx)


@pytest.mark.parametrize("address", ["10.0.1.11", "10.0.1.12"])
@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_primary_address_is_refused(stage: Stage, credentials_file: Path, address: str) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = private_ip(stage, cloud, credentials_file, address=address, patience=0.5)
        with pytest.raises(PluginError, match=f"{address} is the primary address of eni-"):
            await elect(ctx)
        assert cloud.changes == []


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_hand_over_in_the_middle_of_a_poll_stops_it(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2(slow=1000)
    async with cloud.serving():
        ctx = private_ip(stage, cloud, credentials_file, patience=3600.0)
        work = asyncio.create_task(elect(ctx))
        while cloud.imds["local-ipv4s"] < 5:
            await asyncio.sleep(0.5)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await demote(ctx)
        asked = cloud.imds["local-ipv4s"]
        await asyncio.sleep(3600.0)
        assert cloud.imds["local-ipv4s"] == asked
        assert audited(ctx) == ["accepted", "abandoned"]


# -- the instance's own interface --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
@virtual(PATIENCE)
async def test_a_metadata_service_that_does_not_answer_names_what_to_set(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, metadata_url="http://127.0.0.1:1", patience=0.5)
        with pytest.raises(PluginError, match=r"own id is not known.*set network_interface"):
            await elect(ctx)
        assert cloud.asked == []


async def test_a_plan_is_made_where_nobody_has_looked_before(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2()
    async with cloud.serving():
        (step,) = await plugin.plan(EventKind.ELECTED, eip(stage, cloud, credentials_file))
        assert '"Action":"DisassociateAddress"' in step


@virtual(PATIENCE)
async def test_an_id_that_is_none_is_not_passed_on(stage: Stage, credentials_file: Path) -> None:
    cloud = FakeEc2(holder="x" * 60_000)
    async with cloud.serving():
        ctx = eip(stage, cloud, credentials_file, patience=10.0)
        with pytest.raises(PluginError, match=r"malformed: .*networkInterfaceId is 'xxx"):
            await elect(ctx)
        assert len(str(ctx.audited)) < 1000


@pytest.mark.parametrize("encoding", ["x", "hex", "undefined", "idna", "utf-16"])
def test_no_answer_chooses_a_codec(encoding: str) -> None:
    body = b"<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors></Response>"
    assert error_in(f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + body) == ("AuthFailure", "")
