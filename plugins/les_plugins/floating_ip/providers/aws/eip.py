"""Elastic IPs: public addresses of EC2. Private to `aws`.

Every `AssociateAddress` says `AllowReassociation=false`, so that it fails where somebody else has been quicker. An
address that another network interface has is disassociated first, by the id of just that association: one made since
then has another id, and stays. So a leader that was frozen in the middle cannot take the address from its successor.
"""

from les_plugins.floating_ip.entries import Ipv4, check_same
from les_plugins.floating_ip.providers import Call, Holder, Pending, Tools
from les_plugins.floating_ip.providers.aws.answers import ident, items, text
from les_plugins.floating_ip.providers.aws.api import AwsTable, Ec2, as_call, change
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["AwsEipTable"]


class AwsEipTable(AwsTable, frozen=True, kw_only=True):
    """`[[plugins.floating_ip.aws_eip]]`: `private_ip` is the address on the interface that gets the traffic, by default
    its primary one. A private address has at most one elastic IP.
    """

    private_ip: Ipv4 | None = None

    def provider(self, tools: Tools) -> "AwsEip":
        """What speaks to EC2."""
        return AwsEip(self, tools)


class AwsEip:
    """One elastic IP."""

    def __init__(self, table: AwsEipTable, tools: Tools) -> None:
        self._table = table
        self._ec2 = Ec2(table, tools)

    async def holder(self) -> Holder:
        """Ask who holds the address; `version` is its allocation, and its association where it has one."""
        mine = self._place(await self._ec2.interface(), self._table.private_ip or "")
        found = items(await self._ec2.ask("DescribeAddresses", PublicIp_1=self._table.address), "addressesSet")
        if len(found) != 1:
            raise Trouble(Fault.MALFORMED, f"an answer with {len(found)} addresses")
        address = found[0]
        check_same(text(address, "publicIp"), self._table.address)
        allocation, association = ident(address, "allocationId"), ident(address, "associationId")
        interface = ident(address, "networkInterfaceId")
        if not allocation or bool(association) != bool(interface):
            raise Trouble(Fault.MALFORMED, "an answer that is not understood (an address without its ids)")
        whose = self._place(interface, ident(address, "privateIpAddress")) if interface else None
        return Holder.seen(whose, mine, f"{allocation} {association}")

    async def describe(self, held: Holder) -> Call:
        """What `assign` would call next."""
        _, association = held.version.split(" ")
        return as_call(_disassociate(association) if association else await self._associate(held))

    async def assign(self, held: Holder) -> Pending | None:
        """Take the address from who was seen to hold it, and from nobody else."""
        _, association = held.version.split(" ")
        if association:
            await self._ec2.send(_disassociate(association))
        await self._ec2.send(await self._associate(held))
        return None

    async def done(self, pending: Pending) -> bool:
        """EC2 answers when it is done."""
        return True

    def _place(self, interface: str, private_ip: str) -> str:
        return f"{interface} {private_ip}" if self._table.private_ip else interface

    async def _associate(self, held: Holder) -> dict[str, str]:
        allocation, _ = held.version.split(" ")
        where = {"PrivateIpAddress": self._table.private_ip} if self._table.private_ip else {}
        return change(
            "AssociateAddress",
            AllocationId=allocation,
            NetworkInterfaceId=await self._ec2.interface(),
            AllowReassociation="false",
            **where,
        )


def _disassociate(association: str) -> dict[str, str]:
    return change("DisassociateAddress", AssociationId=association)
