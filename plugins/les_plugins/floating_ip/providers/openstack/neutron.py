"""Floating IPs of OpenStack. Private to `openstack`.

https://docs.openstack.org/api-ref/network/v2/: `floatingips`, `ports`. A change says which revision of the floating IP
it is for (`If-Match`), and Neutron refuses it with 412 where there has been a change since: nobody is overtaken.

The `status` of a floating IP is not waited for: some back ends leave it `DOWN` for good. One in `ERROR` is nowhere.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from les_plugins.floating_ip.entries import ApiTable, Ipv4, Url, parse_url
from les_plugins.floating_ip.http import Http
from les_plugins.floating_ip.ownid import OwnId
from les_plugins.floating_ip.providers import Call, Holder, Pending, Tools
from les_plugins.floating_ip.providers.openstack.keystone import MOST_BYTES, Keystone, Login, error_in
from les_plugins.floating_ip.tokens import read_secret, secret_path
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["OpenStackTable"]

_KEY = "port_id"

Uuid = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$")]
Words = Annotated[str, Meta(min_length=1, max_length=255)]


class OpenStackTable(ApiTable, frozen=True, kw_only=True):
    """`[[plugins.floating_ip.openstack]]`: the token is the secret of an application credential, or a user's password.

    `port_id` is this node's port, by default the one that its instance has; `fixed_ip` is the address of that port
    which gets the traffic. `endpoint` is Neutron's URL, by default from Keystone's catalogue: the `interface` of the
    `region`.
    """

    auth_url: Url
    application_credential_id: Words | None = None
    user: Words | None = None
    user_domain: Words = "Default"
    project: Words | None = None
    project_domain: Words = "Default"
    endpoint: Url | None = None
    region: Words | None = None
    interface: Literal["public", "internal", "admin"] = "public"
    port_id: Uuid | None = None
    fixed_ip: Ipv4 | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if ":" in self.address:
            raise ValueError(f"has the address {self.address}, of IPv6; floating IPs are of IPv4")
        if (self.application_credential_id is None) == (self.user is None):
            raise ValueError("needs a login: give it application_credential_id, or user and project")
        if (self.user is None) != (self.project is None):
            raise ValueError("needs user and project together; an application credential has its own")

    def provider(self, tools: Tools) -> "OpenStack":
        """What speaks to Neutron."""
        return OpenStack(self, tools)

    def keystone(self, tools: Tools) -> Keystone:
        """What gets tokens."""
        login = Login(
            application_credential_id=self.application_credential_id,
            user=self.user,
            user_domain=self.user_domain,
            project=self.project,
            project_domain=self.project_domain,
        )
        return Keystone(
            tools.login(_versioned(self.auth_url, "/v3"), _explain, MOST_BYTES),
            login,
            lambda: read_secret(secret_path(self.token_file, self.credential, tools.world.environ)),
            with_catalogue=self.endpoint is None,
        )


class _FloatingIp(msgspec.Struct):
    id: Uuid
    floating_ip_address: str
    port_id: Uuid | None  # it must be there: a reply without it does not say that nobody holds the address
    fixed_ip_address: str | None = None
    revision_number: int | None = None  # not in clouds without that extension; they have no compare-and-set
    status: str = ""


class _FloatingIps(msgspec.Struct):
    floatingips: list[_FloatingIp]


class _Changed(msgspec.Struct):
    floatingip: _FloatingIp


class _Port(msgspec.Struct):
    id: Uuid


class _Ports(msgspec.Struct):
    ports: list[_Port]


class _Instance(msgspec.Struct):
    uuid: Uuid


class OpenStack:
    """One floating IP."""

    def __init__(self, table: OpenStackTable, tools: Tools) -> None:
        self._table = table
        self._tools = tools
        self._keystone = table.keystone(tools)
        self._metadata = tools.metadata(table.metadata_url)
        self._own_id = tools.own_id
        self._known: Http | None = None

    async def holder(self) -> Holder:
        """Ask who holds the address; `version` is its id, and its revision where it has one."""
        mine = self._place(await self._me(), self._table.fixed_ip)
        neutron = await self._neutron()
        reply = await neutron.get(f"/floatingips?floating_ip_address={self._table.address}")
        found = [
            each for each in reply.read(_FloatingIps).floatingips if each.floating_ip_address == self._table.address
        ]
        if len(found) != 1:
            why = f"{len(found)} floating IPs with the address {self._table.address} in this project"
            raise Trouble(Fault.MALFORMED if found else Fault.MISSING, why)
        whose = self._place(found[0].port_id, found[0].fixed_ip_address) if found[0].port_id else None
        revision = "" if found[0].revision_number is None else str(found[0].revision_number)
        if whose == mine and found[0].status == "ERROR":
            raise Trouble(Fault.FAILED, "the floating IP has the status ERROR")
        return Holder.seen(whose, mine, f"{found[0].id} {revision}")

    async def describe(self, held: Holder) -> Call:
        """What `assign` would call."""
        ident, _ = held.version.split(" ")
        where = {"fixed_ip_address": self._table.fixed_ip} if self._table.fixed_ip else {}
        body = {"floatingip": {"port_id": await self._me(), **where}}
        return Call(method="PUT", path=f"/v2.0/floatingips/{ident}", body=body)

    async def assign(self, held: Holder) -> Pending | None:
        """Ask for the address, unless it has been changed since it was looked at."""
        call = await self.describe(held)
        _, revision = held.version.split(" ")
        headers = {"If-Match": f"revision_number={revision}"} if revision else {}
        reply = await (await self._neutron()).call(
            call.method,
            call.path.removeprefix("/v2.0"),
            body=msgspec.json.encode(call.body),
            headers={"Content-Type": "application/json"} | headers,
        )
        reply.read(_Changed)
        return None

    async def done(self, pending: Pending) -> bool:
        """Neutron answers when it is done."""
        return True

    def _place(self, port: str | None, fixed_ip: str | None) -> str:
        return f"{port} {fixed_ip}" if self._table.fixed_ip else str(port)

    # -- where Neutron is, and who asks --------------------------------------------------------------------------------

    async def _neutron(self) -> Http:
        if self._known is None:
            url = self._table.endpoint or await self._from_catalogue()
            self._known = self._tools.http(_versioned(url, "/v2.0"), self._keystone, _explain)
        return self._known

    async def _from_catalogue(self) -> str:
        found = await self._keystone.endpoints("network", self._table.interface)
        if self._table.region is not None:
            found = [(region, url) for region, url in found if region == self._table.region]
        if len(found) != 1:
            regions = ", ".join(region for region, _ in found)[:100] or "none"
            what = f"endpoints of the network service, {self._table.interface}, in the catalogue: {regions}"
            raise Trouble(Fault.UNPREPARED, f"{len(found)} {what}; set region or endpoint")
        try:
            return parse_url(found[0][1])
        except ValueError as error:
            raise Trouble(
                Fault.UNPREPARED, f"the network service's URL in the catalogue {error}; set endpoint"
            ) from None

    async def _me(self) -> str:
        if self._table.port_id is not None:
            self._own_id.known = self._table.port_id
        if not self._own_id.known:
            instance = await OwnId().find("", _KEY, self._instance)
            self._own_id.known = await self._port_of(instance)
        return self._own_id.known

    async def _instance(self) -> str:
        return (await self._metadata.get("/openstack/latest/meta_data.json")).read(_Instance).uuid

    async def _port_of(self, instance: str) -> str:
        reply = await (await self._neutron()).get(f"/ports?device_id={instance}")
        ports = [port.id for port in reply.read(_Ports).ports]
        if len(ports) != 1:
            why = f"the own port is not known, this instance has {len(ports)}; set {_KEY}"
            raise Trouble(Fault.UNPREPARED, why)
        return ports[0]


def _versioned(url: str, version: str) -> str:
    return url if url.endswith(version) else url + version


def _explain(status: int, body: bytes) -> tuple[Fault | None, str]:
    kind, message = error_in(body)
    # 409 is "has another floating IP already", and the like: no change that is under way.
    fault = {409: Fault.REFUSED, 412: Fault.TAKEN, 413: Fault.THROTTLED}.get(status)
    return fault, f"{kind}: {message}" if kind and message else message or kind
