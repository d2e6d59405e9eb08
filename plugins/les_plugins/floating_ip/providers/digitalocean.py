"""DigitalOcean reserved IPs, of IPv4 and IPv6.

https://docs.digitalocean.com/reference/api/: `reserved_ips` and `reserved_ips/{ip}/actions`.
"""

from typing import Literal

import msgspec

from les_plugins.floating_ip.entries import ApiTable, Id, Url, check_same
from les_plugins.floating_ip.http import Http
from les_plugins.floating_ip.ownid import number
from les_plugins.floating_ip.providers import Call, Holder, Pending, Tools
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["DigitalOceanTable"]

_KEY = "droplet_id"


class DigitalOceanTable(ApiTable, frozen=True, kw_only=True):
    """`[[plugins.floating_ip.digitalocean]]`: `droplet_id` is this Droplet's, from the metadata service by default."""

    droplet_id: Id | None = None
    api: Url = "https://api.digitalocean.com"

    def provider(self, tools: Tools) -> "DigitalOcean":
        """What speaks to DigitalOcean."""
        return DigitalOcean(self, tools)


class _Droplet(msgspec.Struct):
    id: int


class _ReservedIp(msgspec.Struct):
    ip: str
    droplet: _Droplet | None  # it must be there: a reply without it does not say that nobody holds the address
    locked: bool = False  # an action is pending


class _ReservedIpv6(msgspec.Struct):
    ip: str
    droplet: _Droplet | None = None  # left out in the documentation's example of one that nobody holds
    locked: bool = False


class _V4(msgspec.Struct):
    reserved_ip: _ReservedIp


class _V6(msgspec.Struct):
    reserved_ipv6: _ReservedIpv6


class _Action(msgspec.Struct):
    id: int
    status: Literal["in-progress", "completed", "errored"]


class _Accepted(msgspec.Struct):
    action: _Action


class _Error(msgspec.Struct):
    id: str = ""
    message: str = ""


class DigitalOcean:
    """One reserved IP."""

    def __init__(self, table: DigitalOceanTable, tools: Tools) -> None:
        self._table = table
        self._http: Http = tools.http(table.api, table.bearer(tools.world.environ), _explain)
        self._metadata = tools.metadata(table.metadata_url)
        self._own_id = tools.own_id
        self._is_v6 = ":" in table.address
        self._path = f"/v2/{'reserved_ipv6' if self._is_v6 else 'reserved_ips'}/{table.address}"
        self._has_moved = False

    async def holder(self) -> Holder:
        """Ask who holds the address."""
        mine = await self._me()
        reply = await self._http.get(self._path)
        found = reply.read(_V6).reserved_ipv6 if self._is_v6 else reply.read(_V4).reserved_ip
        check_same(found.ip, self._table.address)
        if found.locked:
            # Whoever has it now need not have it in a moment: the last leader may have asked for it.
            raise Trouble(Fault.BUSY, "another change of it is pending")
        has_moved, self._has_moved = self._has_moved, False
        if found.droplet is None and has_moved:
            why = "nobody is shown with it after an action has completed; has the token the scope droplet:read?"
            raise Trouble(Fault.DENIED, why)
        return Holder.seen(found.droplet.id if found.droplet is not None else None, mine)

    async def describe(self, held: Holder) -> Call:
        """What `assign` would call."""
        return Call(
            method="POST", path=f"{self._path}/actions", body={"type": "assign", "droplet_id": int(await self._me())}
        )

    async def assign(self, held: Holder) -> Pending | None:
        """Ask for the address. There is no compare-and-set here, and none is needed to take it from another."""
        call = await self.describe(held)
        action = (await self._http.send(call.method, call.path, call.body)).read(_Accepted).action
        self._has_moved = _is_done(action)
        return None if self._has_moved else Pending(id=str(action.id))

    async def done(self, pending: Pending) -> bool:
        """Whether the action has completed."""
        # Below the address a token needs no right for all actions; but that path is documented for IPv4 alone.
        path = "/v2" if self._is_v6 else self._path
        self._has_moved = _is_done((await self._http.get(f"{path}/actions/{pending.id}")).read(_Accepted).action)
        return self._has_moved

    async def _me(self) -> str:
        configured = "" if self._table.droplet_id is None else str(self._table.droplet_id)
        return await self._own_id.find(configured, _KEY, lambda: number(self._metadata, "/metadata/v1/id"))


def _is_done(action: _Action) -> bool:
    if action.status == "errored":
        raise Trouble(Fault.FAILED, f"action {action.id} errored")
    return action.status == "completed"


def _explain(status: int, body: bytes) -> tuple[Fault | None, str]:
    try:
        error = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None, ""
    # "The Droplet already has a pending event.", under the id of all that cannot be processed.
    pending = status == 422 and "pending" in error.message.lower()
    return (Fault.BUSY if pending else None), error.message or error.id
