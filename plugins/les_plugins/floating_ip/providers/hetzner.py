"""Hetzner Cloud floating IPs, of IPv4 and IPv6, and what its other kind of address shares with them.

https://docs.hetzner.cloud/: `floating_ips/{id}`, `floating_ips/{id}/actions/assign`, `actions/{id}`.
"""

from typing import Literal

import msgspec

from les_plugins.floating_ip.entries import ApiTable, Id, Url, check_same
from les_plugins.floating_ip.http import Http, Reply
from les_plugins.floating_ip.ownid import number
from les_plugins.floating_ip.providers import Call, Holder, Pending, Tools
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["HetznerApi", "HetznerFloatingTable", "HetznerTable"]

_KEY = "server_id"


class HetznerTable(ApiTable, frozen=True, kw_only=True):
    """What both kinds need: `server_id` is this server's, from the metadata service by default."""

    server_id: Id | None = None
    api: Url = "https://api.hetzner.cloud"


class HetznerFloatingTable(HetznerTable, frozen=True, kw_only=True):
    """`[[plugins.floating_ip.hetzner]]`: `floating_ip_id` is the number that Hetzner gave to the address."""

    floating_ip_id: Id

    def provider(self, tools: Tools) -> "HetznerFloating":
        """What speaks to Hetzner."""
        return HetznerFloating(self, tools)


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Error


class _Action(msgspec.Struct):
    id: int
    status: Literal["running", "success", "error"]
    error: _Error | None = None


class _Accepted(msgspec.Struct):
    action: _Action


class _FloatingIp(msgspec.Struct):
    id: int
    ip: str  # of IPv6 a /64
    server: int | None


class _Found(msgspec.Struct):
    floating_ip: _FloatingIp


class HetznerApi:
    """Calls and actions of Hetzner Cloud's API."""

    def __init__(self, table: HetznerTable, tools: Tools) -> None:
        self.http: Http = tools.http(table.api, table.bearer(tools.world.environ), _explain)
        self._configured = "" if table.server_id is None else str(table.server_id)
        self._metadata = tools.metadata(table.metadata_url)
        self._own_id = tools.own_id

    async def me(self) -> str:
        """The number of this server. Raises Trouble."""
        return await self._own_id.find(
            self._configured, _KEY, lambda: number(self._metadata, "/hetzner/v1/metadata/instance-id")
        )

    async def act(self, call: Call, *, more: bool = False) -> Pending | None:
        """Begin an action; None where it is over with the answer, and nothing more is to come."""
        action = _action(await self.http.send(call.method, call.path, call.body))
        return None if _is_done(action) and not more else Pending(id=str(action.id), more=more)

    async def done(self, pending: Pending) -> bool:
        """Whether the action has succeeded."""
        return _is_done(_action(await self.http.get(f"/v1/actions/{pending.id}")))


class HetznerFloating:
    """One floating IP."""

    def __init__(self, table: HetznerFloatingTable, tools: Tools) -> None:
        self._api = HetznerApi(table, tools)
        self._address = table.address
        self._path = f"/v1/floating_ips/{table.floating_ip_id}"

    async def holder(self) -> Holder:
        """Ask who holds the address."""
        mine = await self._api.me()
        found = (await self._api.http.get(self._path)).read(_Found).floating_ip
        check_same(found.ip, self._address)
        return Holder.seen(found.server, mine)

    async def describe(self, held: Holder) -> Call:
        """What `assign` would call."""
        return Call(method="POST", path=f"{self._path}/actions/assign", body={"server": int(await self._api.me())})

    async def assign(self, held: Holder) -> Pending | None:
        """Ask for the address; where it has to be free first, free it."""
        try:
            return await self._api.act(await self.describe(held))
        except Trouble as trouble:
            if trouble.fault is not Fault.TAKEN:
                raise
        # Documented for `assign` without a word on when; seen is that it takes an address from another server.
        return await self._api.act(Call(method="POST", path=f"{self._path}/actions/unassign", body={}), more=True)

    async def done(self, pending: Pending) -> bool:
        """Whether the action has succeeded."""
        return await self._api.done(pending)


def _action(reply: Reply) -> _Action:
    return reply.read(_Accepted).action


def _is_done(action: _Action) -> bool:
    if action.status == "error":
        error = action.error or _Error()
        raise Trouble(Fault.FAILED, f"action {action.id}: {error.code or 'error'}: {error.message}"[:200])
    return action.status == "success"


_FAULTS = {
    "locked": Fault.BUSY,
    "conflict": Fault.BUSY,
    "rate_limit_exceeded": Fault.THROTTLED,
    "unauthorized": Fault.DENIED,
    "forbidden": Fault.DENIED,
    "token_readonly": Fault.DENIED,
    "not_found": Fault.MISSING,
    "maintenance": Fault.BROKEN,
    "resource_unavailable": Fault.BROKEN,
    "server_error": Fault.BROKEN,
    "floating_ip_assigned": Fault.TAKEN,
    "ip_not_available": Fault.TAKEN,
}


def _explain(_status: int, body: bytes) -> tuple[Fault | None, str]:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None, ""
    return _FAULTS.get(error.code), f"{error.code}: {error.message}"
