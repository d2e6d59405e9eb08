"""What both kinds of addresses of EC2 have in common: the keys of their tables, and the query API. Private to `aws`.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/: questions go by GET, changes by POST; an answer is XML.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from msgspec import Meta

from les_hooks.config import Name
from les_hooks.hookspecs import Note
from les_hooks.security import exposed
from les_plugins.floating_ip.entries import METADATA, AddressTable, Url
from les_plugins.floating_ip.ownid import OwnId
from les_plugins.floating_ip.providers import Call, Tools
from les_plugins.floating_ip.providers.aws.answers import error_in, read_answer
from les_plugins.floating_ip.providers.aws.metadata import InstanceMetadata
from les_plugins.floating_ip.providers.aws.signing import MISSING, CredentialSource, Signature, has_botocore
from les_plugins.floating_ip.trouble import Fault

__all__ = ["AwsTable", "Ec2", "as_call", "change"]

_VERSION = "2016-11-15"
_KEY = "network_interface"

# errors-overview.html of the reference; the status alone, which is mostly 400, says little.
_FAULTS = {
    "AuthFailure": Fault.DENIED,
    "ExpiredToken": Fault.DENIED,
    "IncorrectInstanceState": Fault.BUSY,
    "IncorrectState": Fault.BUSY,
    "InvalidAddress.NotFound": Fault.MISSING,
    "InvalidAllocationID.NotFound": Fault.MISSING,
    "InvalidAssociationID.NotFound": Fault.TAKEN,
    "InvalidClientTokenId": Fault.DENIED,
    "InvalidIPAddress.InUse": Fault.TAKEN,
    "InvalidNetworkInterfaceID.NotFound": Fault.MISSING,
    "RequestExpired": Fault.DENIED,
    "RequestLimitExceeded": Fault.THROTTLED,
    "Resource.AlreadyAssociated": Fault.TAKEN,
    "SignatureDoesNotMatch": Fault.DENIED,
    "Throttling": Fault.THROTTLED,
    "UnauthorizedOperation": Fault.DENIED,
}


class AwsTable(AddressTable, frozen=True, kw_only=True):
    """One address in a region of EC2. Credentials are found as AWS's own programs do, or stand in a file.

    `network_interface` is this node's, from the metadata service by default. `credentials_file` has the form of
    `~/.aws/credentials`; `credential` is such a file that systemd hands over; `profile` is a section of it.
    """

    region: Annotated[str, Meta(pattern=r"^[a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$")]
    network_interface: Annotated[str, Meta(pattern=r"^eni-[0-9a-f]{1,32}$")] | None = None
    credentials_file: Path | None = None
    credential: Name | None = None
    profile: Name | None = None
    api: Url | None = None
    metadata_url: Url = METADATA

    def __post_init__(self) -> None:
        if ":" in self.address:
            raise ValueError(f"has the address {self.address}, of IPv6; EC2 moves those of IPv4 here")
        if self.credentials_file is not None and self.credential is not None:
            raise ValueError("has credentials_file and credential; give it at most one of them")

    @property
    def url(self) -> str:
        """The URL of the API."""
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return self.api or f"https://ec2.{self.region}.{domain}"

    def problems(self, environ: Mapping[str, str]) -> list[str]:
        """A missing botocore, and a file of credentials that is not there, or that others could have."""
        found = [] if has_botocore() else [MISSING]
        if self.credential is not None and "CREDENTIALS_DIRECTORY" not in environ:
            found.append(Note(f"the credential {self.credential} was not looked at: only systemd's unit has it"))
        if self.credentials_file is not None:
            try:
                unsafe = exposed(self.credentials_file)
                if not self.credentials_file.is_file():
                    unsafe = f"{self.credentials_file}: is no file; it has to hold the credentials"
            except OSError as error:
                unsafe = f"{self.credentials_file}: {error.strerror}; it has to hold the credentials"
            found += [unsafe] if unsafe else []
        return found

    def signature(self, tools: Tools) -> Signature:
        """What signs requests."""
        source = CredentialSource(
            file=self.credentials_file,
            credential=self.credential,
            environ=tools.world.environ,
            profile=self.profile,
            metadata_url=self.metadata_url,
        )
        return Signature(source, self.region, tools.timeout)


class Ec2:
    """The API, and this node's network interface in it."""

    def __init__(self, table: AwsTable, tools: Tools) -> None:
        self._configured = table.network_interface or ""
        self._own_id: OwnId = tools.own_id
        self._http = tools.http(table.url, table.signature(tools), _explain)
        self.metadata = InstanceMetadata(tools.metadata(table.metadata_url))

    @property
    def has_metadata(self) -> bool:
        """Whether the metadata service tells of the network interface that the addresses go to."""
        return not self._configured

    async def interface(self) -> str:
        """The id of this node's network interface. Raises Trouble."""
        return await self._own_id.find(self._configured, _KEY, self.metadata.interface)

    async def ask(self, action: str, **parameters: str) -> Element:
        """Ask for something; an underscore in a parameter's name stands for a dot. Raises Trouble."""
        query = urlencode(change(action, **parameters))
        return read_answer(await self._http.get(f"/?{query}"), action)

    async def send(self, parameters: Mapping[str, str]) -> Element:
        """Have something changed. Raises Trouble."""
        call = as_call(parameters)
        reply = await self._http.call(call.method, call.path, body=urlencode(parameters).encode())
        return read_answer(reply, parameters["Action"])


def change(action: str, **parameters: str) -> dict[str, str]:
    """The parameters of a request; an underscore in a name stands for a dot."""
    return {"Action": action, "Version": _VERSION} | {name.replace("_", "."): parameters[name] for name in parameters}


def as_call(parameters: Mapping[str, str]) -> Call:
    """A change as an operator may see it."""
    return Call(method="POST", path="/", body=parameters)


def _explain(status: int, body: bytes) -> tuple[Fault | None, str]:
    code, message = error_in(body)
    # Some codes carry the kind of throttling in their names, and 503 is "throttled" or "broken" by its code alone.
    fault = _FAULTS.get(code) or (Fault.THROTTLED if "Throttl" in code else None)
    return fault, f"{code}: {message}" if code else ""
