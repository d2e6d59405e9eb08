"""Secondary private IPs of EC2, inside one subnet. Private to `aws`.

`AllowReassignment` is true only for an address that a look has just found with another network interface. It is not
taken away first, as an elastic IP is: one that belongs to it moves along with it, and would be lost on the way.
"""

from xml.etree.ElementTree import Element

from les_plugins.floating_ip.providers import Call, Holder, Pending, Standing, Tools
from les_plugins.floating_ip.providers.aws.answers import ident, items, text
from les_plugins.floating_ip.providers.aws.api import AwsTable, Ec2, as_call, change
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["AwsPrivateIpTable"]


class AwsPrivateIpTable(AwsTable, frozen=True, kw_only=True):
    """`[[plugins.floating_ip.aws_private_ip]]`: all nodes have an interface in the subnet of the address."""

    def provider(self, tools: Tools) -> "AwsPrivateIp":
        """What speaks to EC2."""
        return AwsPrivateIp(self, tools)


class AwsPrivateIp:
    """One secondary private IP."""

    def __init__(self, table: AwsPrivateIpTable, tools: Tools) -> None:
        self._address = table.address
        self._ec2 = Ec2(table, tools)

    async def holder(self) -> Holder:
        """Ask who holds the address: this node first, which is the one call of a look that finds it in order."""
        mine = await self._ec2.interface()
        own = await self._interfaces(NetworkInterfaceId_1=mine)
        if mine not in own:
            raise Trouble(Fault.MALFORMED, f"an answer without {mine}")
        if self._is_on(own[mine]):
            return Holder.seen(mine, mine)
        # Other networks may have the same address.
        subnet = ident(own[mine], "subnetId")
        if not subnet:
            raise Trouble(Fault.MALFORMED, f"an answer without the subnet of {mine}")
        others = await self._interfaces(
            Filter_1_Name="addresses.private-ip-address",
            Filter_1_Value_1=self._address,
            Filter_2_Name="subnet-id",
            Filter_2_Value_1=subnet,
        )
        holders = sorted(name for name in others if self._is_on(others[name]))
        return Holder.seen(holders[0] if holders else None, mine)

    async def describe(self, held: Holder) -> Call:
        """What `assign` would call."""
        return as_call(await self._assign(held))

    async def assign(self, held: Holder) -> Pending | None:
        """Ask for the address; that EC2 answers does not say that traffic for it arrives."""
        answer = await self._ec2.send(await self._assign(held))
        return Pending(id=ident(answer, "requestId")) if self._ec2.has_metadata else None

    async def done(self, pending: Pending) -> bool:
        """Whether the instance has been told of it, which is how EC2 says that the move is complete."""
        return self._address in await self._ec2.metadata.private_ips()

    async def _assign(self, held: Holder) -> dict[str, str]:
        return change(
            "AssignPrivateIpAddresses",
            NetworkInterfaceId=await self._ec2.interface(),
            PrivateIpAddress_1=self._address,
            AllowReassignment="true" if held.standing is Standing.ANOTHER else "false",
        )

    async def _interfaces(self, **which: str) -> dict[str, Element]:
        found = items(await self._ec2.ask("DescribeNetworkInterfaces", **which), "networkInterfaceSet")
        return {ident(each, "networkInterfaceId"): each for each in found}

    def _is_on(self, interface: Element) -> bool:
        for each in items(interface, "privateIpAddressesSet"):
            if text(each, "privateIpAddress") == self._address:
                if text(each, "primary") == "true":
                    name = text(interface, "networkInterfaceId")
                    raise Trouble(Fault.REFUSED, f"{self._address} is the primary address of {name}, which cannot move")
                return True
        return False
