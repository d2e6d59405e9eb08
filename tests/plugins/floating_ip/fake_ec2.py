"""EC2 and an instance's metadata on loopback, for what the emulator of the tests does not do: faults, and who may."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.plugins.floating_ip.fakes import Answer, Asked, FakeCloud

__all__ = ["KEY", "OTHER", "OWN", "SECRET", "FakeEc2", "aws_error"]

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
OWN, OTHER = "eni-0a1", "eni-0b2"

_MAC = "02:00:0a:00:01:0b"
_TOKEN = "AQAEAExampleToken=="

_ROLE = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": KEY,
    "SecretAccessKey": SECRET,
    "Token": "session-token",
    "LastUpdated": "2026-01-01T00:00:00Z",
    "Expiration": "2099-01-01T00:00:00Z",
}


def aws_error(status: int, code: str, message: str = "No.", **headers: str) -> Answer:
    """An error in the form of EC2's."""

    async def answer(_: web.Request) -> web.StreamResponse:
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{code}</Code>'
            f"<Message>{message}</Message></Error></Errors><RequestID>ea966190-f9aa</RequestID></Response>"
        )
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, content_type="text/xml", headers=given)

    return answer


@dataclass(slots=True)
class FakeEc2(FakeCloud):
    """One elastic IP, and one subnet whose interfaces have private addresses, the first of each being its primary one.

    The metadata service tells of a new address only when it has been asked `slow` times, and has the credentials of the
    `role` if there is one. `keys` are those that may.
    """

    address: str = "203.0.113.7"
    holder: str | None = OTHER
    holder_ip: str = "10.0.1.12"
    associations: int = 1
    private: dict[str, list[str]] = field(default_factory=lambda: {OWN: ["10.0.1.11"], OTHER: ["10.0.1.12"]})
    slow: int = 0
    role: str = ""
    keys: dict[str, str] = field(default_factory=lambda: {KEY: SECRET})
    imds: Counter[str] = field(default_factory=Counter)

    @property
    def actions(self) -> list[str]:
        """What was asked for, in order."""
        return [each.body["Action"] for each in self.asked]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/latest/"):
            return self._metadata(request)
        text = await request.text()
        parameters = dict(parse_qsl(text or request.query_string))
        asked = Asked(request.method, request.path, parameters, request.headers.get("Authorization", ""))
        self.asked.append(asked)
        self.before(asked)
        answer = self.instead.popleft() if self.instead else None
        if answer is None and not self._is_signed(request, text):
            answer = aws_error(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        return await (answer or self._act(parameters))(request)  # type: ignore[arg-type]  # as in FakeCloud

    # -- metadata ------------------------------------------------------------------------------------------------------

    def _metadata(self, request: web.BaseRequest) -> web.StreamResponse:
        if (request.method, request.path) == ("PUT", "/latest/api/token"):
            known = request.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "").isdigit()
            return web.Response(text=_TOKEN) if known else web.Response(status=400)
        if request.headers.get("X-aws-ec2-metadata-token") != _TOKEN:
            return web.Response(status=401)
        path = request.path.removeprefix("/latest/meta-data/")
        self.imds[path.rpartition("/")[2]] += 1
        interface = f"network/interfaces/macs/{_MAC}"
        told = self.private[OWN] if self.imds["local-ipv4s"] > self.slow else self.private[OWN][:1]
        known_here = {"mac": _MAC, f"{interface}/interface-id": OWN, f"{interface}/local-ipv4s": "\n".join(told)}
        if self.role:
            role = "iam/security-credentials/"
            known_here |= {role: self.role, f"{role}{self.role}": json.dumps(_ROLE)}
        return web.Response(text=known_here[path]) if path in known_here else web.Response(status=404)

    # -- the API -------------------------------------------------------------------------------------------------------

    def _is_signed(self, request: web.BaseRequest, text: str) -> bool:
        """Whether botocore comes to the same signature for what has arrived."""
        given = request.headers.get("Authorization", "")
        found = re.search(
            r"Credential=([A-Z0-9]+)/\d{8}/([a-z0-9-]+)/ec2/aws4_request, SignedHeaders=([a-z0-9;-]+)", given
        )
        if found is None or found[1] not in self.keys:
            return False
        signed = {name: request.headers[name] for name in found[3].split(";") if name != "x-amz-date"}
        again = AWSRequest(method=request.method, url=self.url + request.raw_path, data=text.encode(), headers=signed)
        again.context["timestamp"] = request.headers["X-Amz-Date"]
        again.headers["X-Amz-Date"] = request.headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials(found[1], self.keys[found[1]]), "ec2", found[2])
        signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
        assert urlsplit(self.url).netloc == request.headers["Host"]
        return given.endswith(f"Signature={signature}")

    def _act(self, asked: dict[str, str]) -> Answer:
        assert asked["Version"] == "2016-11-15"
        actions = {
            "DescribeAddresses": self._describe_addresses,
            "AssociateAddress": self._associate,
            "DisassociateAddress": self._disassociate,
            "DescribeNetworkInterfaces": self._describe_interfaces,
            "AssignPrivateIpAddresses": self._assign_private,
        }
        found = actions[asked["Action"]](asked)
        return _xml(asked["Action"], found) if isinstance(found, str) else found

    def _describe_addresses(self, asked: dict[str, str]) -> "str | Answer":
        if asked["PublicIp.1"] != self.address:
            return aws_error(400, "InvalidAddress.NotFound", f"Address '{asked['PublicIp.1']}' not found.")
        held = (
            f"<associationId>eipassoc-{self.associations}</associationId><instanceId>i-1</instanceId>"
            f"<networkInterfaceId>{self.holder}</networkInterfaceId><privateIpAddress>{self.holder_ip}</privateIpAddress>"
        )
        return (
            f"<addressesSet><item><publicIp>{self.address}</publicIp><allocationId>eipalloc-1</allocationId>"
            f"<domain>vpc</domain>{held if self.holder else ''}</item></addressesSet>"
        )

    def _associate(self, asked: dict[str, str]) -> "str | Answer":
        assert asked["AllocationId"] == "eipalloc-1"
        if self.holder not in (None, asked["NetworkInterfaceId"]) and asked.get("AllowReassociation") == "false":
            words = f"resource eipalloc-1 is already associated with associate-id eipassoc-{self.associations}"
            return aws_error(400, "Resource.AlreadyAssociated", words)
        self.associate(asked["NetworkInterfaceId"], asked.get("PrivateIpAddress", ""))
        return f"<return>true</return><associationId>eipassoc-{self.associations}</associationId>"

    def _disassociate(self, asked: dict[str, str]) -> "str | Answer":
        if self.holder is None or asked["AssociationId"] != f"eipassoc-{self.associations}":
            words = f"The association ID '{asked['AssociationId']}' does not exist"
            return aws_error(400, "InvalidAssociationID.NotFound", words)
        self.holder = None
        return "<return>true</return>"

    def associate(self, interface: str, private_ip: str = "") -> None:
        """Let this interface have the elastic IP."""
        self.holder, self.holder_ip = interface, private_ip or self.private[interface][0]
        self.associations += 1

    def _describe_interfaces(self, asked: dict[str, str]) -> "str | Answer":
        if wanted := asked.get("NetworkInterfaceId.1"):
            if wanted not in self.private:
                return aws_error(
                    400, "InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{wanted}' does not exist"
                )
            return f"<networkInterfaceSet>{self._interface(wanted)}</networkInterfaceSet>"
        filters = {asked[f"Filter.{n}.Name"]: asked[f"Filter.{n}.Value.1"] for n in (1, 2)}
        assert filters["subnet-id"] == "subnet-1"
        found = [name for name in self.private if filters["addresses.private-ip-address"] in self.private[name]]
        return f"<networkInterfaceSet>{''.join(map(self._interface, found))}</networkInterfaceSet>"

    def _interface(self, name: str) -> str:
        addresses = "".join(_private(ip, ip == self.private[name][0]) for ip in self.private[name])
        return (
            f"<item><networkInterfaceId>{name}</networkInterfaceId><subnetId>subnet-1</subnetId>"
            f"<privateIpAddressesSet>{addresses}</privateIpAddressesSet></item>"
        )

    def _assign_private(self, asked: dict[str, str]) -> "str | Answer":
        ip = asked["PrivateIpAddress.1"]
        holders = [name for name in self.private if ip in self.private[name]]
        if holders and asked["AllowReassignment"] != "true":
            return aws_error(400, "InvalidIPAddress.InUse", f"Address {ip} is in use.")
        for name in holders:
            self.private[name].remove(ip)
        self.private[asked["NetworkInterfaceId"]].append(ip)
        return f"<networkInterfaceId>{asked['NetworkInterfaceId']}</networkInterfaceId><return>true</return>"


def _private(ip: str, is_primary: bool) -> str:
    primary = str(is_primary).lower()
    return f"<item><privateIpAddress>{ip}</privateIpAddress><primary>{primary}</primary></item>"


def _xml(action: str, inside: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>59dbff89-35bd</requestId>{inside}</{action}Response>"
        )
        return web.Response(text=body, content_type="text/xml")

    return answer
