"""Addresses of EC2, against moto's server: an emulator that others have written, and keep to what AWS does.

It checks the signatures of changes where it is told to, and knows `AllowReassociation` and the ids of associations. It
does not know `AllowReassignment`, locked addresses, limits and delays: those are in `test_aws.py`.
"""

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from moto.server import ThreadedMotoServer

from les_hooks.errors import PluginError
from les_plugins.floating_ip.allowance import Allowance
from les_plugins.floating_ip.ownid import OwnId
from les_plugins.floating_ip.providers import Standing, Tools
from les_plugins.floating_ip.providers.aws.eip import AwsEip, AwsEipTable
from les_plugins.floating_ip.providers.aws.private_ip import AwsPrivateIpTable
from les_plugins.floating_ip.settings import FloatingIpConfig
from les_plugins.floating_ip.trouble import Fault, Trouble
from les_plugins.floating_ip.world import World
from tests.fake_context import FakeContext
from tests.plugins.floating_ip.stage import audited, elect

REGION = "eu-central-1"
ADDRESS = "203.0.113.7"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The emulator's URL."""
    emulator = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    emulator.start()
    host, port = emulator.get_host_and_port()
    yield f"http://{host}:{port}"
    emulator.stop()


class Account:
    """One account: an elastic IP, and three interfaces in one subnet."""

    def __init__(self, url: str, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "unchecked")
        self.url = url
        self.ec2 = self.client("ec2")
        self.subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        self.a, self.b, self.c = (
            self.ec2.create_network_interface(SubnetId=self.subnet)["NetworkInterface"]["NetworkInterfaceId"]
            for _ in "abc"
        )
        self.allocation = self.ec2.allocate_address(Domain="vpc", Address=ADDRESS)["AllocationId"]

    def client(self, service: str) -> Any:
        """AWS's own client of a service."""
        return botocore.session.Session().create_client(service, region_name=REGION, endpoint_url=self.url)

    @property
    def association(self) -> dict[str, Any]:
        """How the elastic IP is described."""
        (found,) = self.ec2.describe_addresses()["Addresses"]
        return dict(found)

    @property
    def holder(self) -> str | None:
        """The interface that has the elastic IP."""
        return self.association.get("NetworkInterfaceId") or None

    def eip(self, interface: str) -> AwsEipTable:
        """The table of a node with this interface."""
        return AwsEipTable(
            address=ADDRESS, region=REGION, network_interface=interface, api=self.url, metadata_url=self.url
        )

    def node(self, interface: str, patience: float = 5.0) -> FakeContext:
        """A node with this interface."""
        config = FloatingIpConfig(aws_eip=(self.eip(interface),), patience=patience)
        return FakeContext(name="floating_ip", config=config)

    def provider(self, interface: str) -> AwsEip:
        """What speaks to EC2 for a node with this interface, step by step."""
        tools = Tools(
            world=World(),
            allowance=Allowance(100, World().clock),
            permit=lambda: None,
            own_id=OwnId(),
            timeout=5.0,
            run=FakeContext(config=None).run,
        )
        return AwsEip(self.eip(interface), tools)


@pytest.fixture
def account(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account with nothing in it but its own."""
    account = Account(server, monkeypatch)
    yield account
    post(server, "/moto-api/reset", b"")


def post(url: str, path: str, body: bytes) -> None:
    """Tell the emulator itself something."""
    request = botocore.awsrequest.AWSRequest(method="POST", url=url + path, data=body).prepare()
    assert botocore.httpsession.URLLib3Session().send(request).status_code == 200


async def test_an_elastic_ip_goes_from_leader_to_leader(account: Account) -> None:
    for term, interface in enumerate([account.a, account.b, account.a], start=3):
        ctx = account.node(interface)
        await elect(ctx, term)
        assert account.holder == interface
        assert audited(ctx) == ["assigned"]


async def test_an_elastic_ip_that_this_node_has_is_not_associated_anew(account: Account) -> None:
    await elect(account.node(account.a))
    before = account.association["AssociationId"]
    ctx = account.node(account.a)
    await elect(ctx)
    assert account.association["AssociationId"] == before
    assert audited(ctx) == []


async def test_a_look_that_has_grown_old_takes_the_address_from_nobody(account: Account) -> None:
    """A leader that froze after its look, and goes on when its successor has the address."""
    old, new = account.provider(account.a), account.provider(account.b)
    for first in ("nobody", "another"):
        if first == "another":
            account.ec2.associate_address(
                AllocationId=account.allocation, NetworkInterfaceId=account.c, AllowReassociation=True
            )
        seen = await old.holder()
        assert seen.standing == Standing(first)
        await new.assign(await new.holder())
        with pytest.raises(Trouble) as caught:
            await old.assign(seen)
        assert caught.value.fault is Fault.TAKEN
        assert account.holder == account.b


async def test_a_secondary_private_ip_is_assigned(account: Account) -> None:
    block = account.ec2.describe_subnets(SubnetIds=[account.subnet])["Subnets"][0]["CidrBlock"]
    address = block.rpartition(".")[0] + ".222"
    table = AwsPrivateIpTable(
        address=address, region=REGION, network_interface=account.a, api=account.url, metadata_url=account.url
    )
    ctx = FakeContext(name="floating_ip", config=FloatingIpConfig(aws_private_ip=(table,), patience=5.0))
    await elect(ctx)
    assert audited(ctx) == ["assigned"]
    assert ctx.audited[0]["instead_of"] == "nobody"
    (found,) = account.ec2.describe_network_interfaces(NetworkInterfaceIds=[account.a])["NetworkInterfaces"]
    assert address in [each["PrivateIpAddress"] for each in found["PrivateIpAddresses"]]


async def test_an_unknown_interface_is_told(account: Account) -> None:
    ctx = account.node("eni-0123456789abcdef0", patience=0.5)
    with pytest.raises(PluginError, match=r"missing: status 400: InvalidNetworkInterfaceID.NotFound"):
        await elect(ctx)
    assert account.holder is None


async def test_changes_are_signed_as_the_emulator_wants_it(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes only: of a GET the emulator takes the query for the body, and so finds no signature right."""
    iam = account.client("iam")
    iam.create_user(UserName="les")
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}
    iam.put_user_policy(UserName="les", PolicyName="ec2", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="les")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    seen = await account.provider(account.a).holder()
    post(account.url, "/moto-api/reset-auth", b"0")
    try:
        with pytest.raises(Trouble, match=r"denied: status 40[13]"):
            await account.provider(account.a).assign(seen)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        await account.provider(account.a).assign(seen)
    finally:
        post(account.url, "/moto-api/reset-auth", b"inf")
    assert account.holder == account.a
