"""Hetzner Cloud alias IPs: an additional address of a server in a private network.

https://docs.hetzner.cloud/: `servers/{id}`, `networks/{id}`, `servers/{id}/actions/change_alias_ips`, which replaces
the whole list of one server. Where another server has the address, that one gives it up first: two actions.
"""

import ipaddress

import msgspec

from les_plugins.floating_ip.entries import Id
from les_plugins.floating_ip.providers import Call, Holder, Pending, Standing, Tools
from les_plugins.floating_ip.providers.hetzner import HetznerApi, HetznerTable
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["HetznerAliasTable"]

# Each is a call; a network of more servers would use up the hour's in a few looks.
_MOST_SERVERS = 100


class HetznerAliasTable(HetznerTable, frozen=True, kw_only=True):
    """`[[plugins.floating_ip.hetzner_alias]]`: `network_id` is the private network that the address belongs to.

    `servers` are those that may have the address; by default all in the network.
    """

    network_id: Id
    servers: tuple[Id, ...] = ()

    def provider(self, tools: Tools) -> "HetznerAlias":
        """What speaks to Hetzner."""
        return HetznerAlias(self, tools)


class _PrivateNet(msgspec.Struct):
    network: int
    alias_ips: list[str]


class _Server(msgspec.Struct):
    id: int
    private_net: list[_PrivateNet]


class _FoundServer(msgspec.Struct):
    server: _Server


class _Network(msgspec.Struct):
    id: int
    servers: list[int]


class _FoundNetwork(msgspec.Struct):
    network: _Network


class HetznerAlias:
    """One alias IP."""

    def __init__(self, table: HetznerAliasTable, tools: Tools) -> None:
        self._api = HetznerApi(table, tools)
        self._table = table

    async def holder(self) -> Holder:
        """Ask who holds the address: this server first, which is the one call of a look that finds it in order."""
        mine = await self._api.me()
        if self._table.address in await self._own_aliases(mine):
            return Holder.seen(mine, mine)
        others = sorted({*(self._table.servers or await self._servers())} - {int(mine)})
        if len(others) > _MOST_SERVERS:
            why = f"{len(others)} servers in network {self._table.network_id}; name those that may have it in servers"
            raise Trouble(Fault.UNPREPARED, why)
        for other in map(str, others):
            if await self._holds(other):
                return Holder.seen(other, mine)
        return Holder.seen(None, mine)

    async def describe(self, held: Holder) -> Call:
        """What `assign` would call next."""
        mine = await self._api.me()
        address = self._table.address
        if held.standing is Standing.ANOTHER:
            kept = [alias for alias in await self._aliases(held.id) or () if alias != address]
            return self._change(held.id, kept)
        kept = [alias for alias in await self._own_aliases(mine) if alias != address]
        return self._change(mine, [*kept, address])

    async def assign(self, held: Holder) -> Pending | None:
        """Have the other server give it up, or this one get it."""
        return await self._api.act(await self.describe(held), more=held.standing is Standing.ANOTHER)

    async def done(self, pending: Pending) -> bool:
        """Whether the action has succeeded."""
        return await self._api.done(pending)

    def _change(self, server: str, aliases: list[str]) -> Call:
        path = f"/v1/servers/{server}/actions/change_alias_ips"
        return Call(method="POST", path=path, body={"network": self._table.network_id, "alias_ips": aliases})

    async def _own_aliases(self, mine: str) -> list[str]:
        found = await self._aliases(mine)
        if found is None:
            raise Trouble(Fault.REFUSED, f"this server, {mine}, is not attached to network {self._table.network_id}")
        return found

    async def _aliases(self, server: str) -> list[str] | None:
        """Those of a server in the network; None where it is not attached to it."""
        found = (await self._api.http.get(f"/v1/servers/{server}")).read(_FoundServer).server
        if str(found.id) != server:
            raise Trouble(Fault.MALFORMED, f"an answer about server {found.id}, and not about {server}")
        nets = [net for net in found.private_net if net.network == self._table.network_id]
        return [_plain_ip(alias) for alias in nets[0].alias_ips] if nets else None

    async def _holds(self, server: str) -> bool:
        try:
            return self._table.address in (await self._aliases(server) or ())
        except Trouble as trouble:
            if trouble.fault is Fault.MISSING:
                return False  # a server that was deleted has nothing, and must not stand in the way for ever
            raise

    async def _servers(self) -> list[int]:
        found = (await self._api.http.get(f"/v1/networks/{self._table.network_id}")).read(_FoundNetwork).network
        if found.id != self._table.network_id:
            raise Trouble(Fault.MALFORMED, f"an answer about network {found.id}")
        return found.servers


def _plain_ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Trouble(Fault.MALFORMED, f"an alias {text[:64]!r}, which is no address") from None
