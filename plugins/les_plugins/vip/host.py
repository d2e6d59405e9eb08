"""What is wrong with this host: what would keep an address from being taken, or from being of use. For `vip`.

For `les check`, and for the log when the daemon starts. Everything is read only, and takes no privileges.
"""

import difflib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from les_hooks import Note
from les_plugins.vip.kernel import Assigned, Kernel, KernelError, Link
from les_plugins.vip.settings import IPNetwork, Mode, VipConfig, VirtualAddress
from les_plugins.vip.sysctls import SYSCTLS, no_ipv6, setting

__all__ = ["complaints"]

# Linux answers no question for any of its addresses then: nobody would find the address, a successor's probe included.
_MUTE: Final = 8

# More names than these are no help.
_MOST_NAMES: Final = 12


async def complaints(config: VipConfig, kernel: Kernel, *, sysctls: Path = SYSCTLS) -> list[str]:
    """What is wrong, one line each and each once; a Note where it may be right by the time that the daemon runs."""
    try:
        host = _Host(links=await kernel.links(), assigned=await kernel.assigned(), sysctls=sysctls)
    except KernelError as error:
        return [f"the interfaces of this host cannot be read: {error.why}"]
    # An interface that has several addresses is complained of once.
    return list(dict.fromkeys(line for address in config.addresses for line in host.complain(config, address)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Host:
    """Links and addresses as they are at this moment, and the folder of the kernel's settings."""

    links: Mapping[str, Link]
    assigned: Sequence[Assigned]
    sysctls: Path

    def complain(self, config: VipConfig, address: VirtualAddress) -> Iterator[str]:
        """What is wrong with this address."""
        name = config.interface_of(address)
        yield from self._stranger(address)
        link = self.links.get(name)
        if link is None:
            yield self._no_interface(name)
            return
        if link.obstacle:
            yield Note(link.obstacle)
        if address.version == 4:
            yield from _label(config.label, name)
            yield from self._mute(link)
        else:
            yield from filter(None, [no_ipv6(link.name, self.sysctls)])
        # Nobody on the link is to find the address in the other cases.
        if config.mode is Mode.ADDRESS and link.speaks_arp:
            yield from self._subnet(address, link)

    def _no_interface(self, name: str) -> str:
        names = list(self.links)
        near = difflib.get_close_matches(name, names, n=1)
        listed = ", ".join([*names[:_MOST_NAMES], *(["..."] if len(names) > _MOST_NAMES else [])])
        return f"there is no interface {name}; there are {listed}" + (f"; did you mean {near[0]}?" if near else "")

    def _stranger(self, address: VirtualAddress) -> Iterator[str]:
        """Whether the address is here already, for good or from DHCP; ours has a length and an end of its own."""
        names = {link.index: name for name, link in self.links.items()}
        for each in self.assigned:
            if each.ip == address.ip and (each.permanent or each.length != address.length):
                name = names.get(each.index, "an interface")
                yield (  # in the words of the ground, which tells it while the daemon runs
                    f"{each.ip} is configured on {name} already, and not by this plugin; "
                    f"unless this host needs it there, run: ip address del {each.ip}/{each.length} dev {name}"
                )

    def _mute(self, link: Link) -> Iterator[str]:
        values = [setting(f"ipv4/conf/{name}/arp_ignore", self.sysctls) for name in ("all", link.name)]
        if link.speaks_arp and _MUTE in values:
            where = "all" if values[0] == _MUTE else link.name
            yield (
                f"{link.name} answers no ARP, so nobody finds the address; run: "
                f"sysctl -w net/ipv4/conf/{where}/arp_ignore=0"
            )

    def _subnet(self, address: VirtualAddress, link: Link) -> Iterator[str]:
        subnets = sorted(set(self._subnets(link, address)), key=str)
        written = f"{address.ip}/{address.prefix}"
        around = [subnet for subnet in subnets if address.address in subnet]
        if not subnets:
            kind = f"IPv{address.version}"
            yield f"{written}: {link.name} is in no {kind} subnet; give it an address of its own there first"
        elif not around:
            listed = ", ".join(map(str, subnets))
            yield f"{written} is in no subnet of {link.name}, which has {listed}; correct the address or the interface"
        elif address.prefix != address.length and address.subnet not in around:
            right = f"{address.ip}/{around[0].prefixlen}"
            yield Note(f"{written} lies in {around[0]} on {link.name}; write {right}, for other hosts think so too")

    def _subnets(self, link: Link, address: VirtualAddress) -> Iterator[IPNetwork]:
        """The subnets of the interface that the address could be in; that of its link alone is for its like."""
        for each in self.assigned:
            network = ipaddress.ip_network(f"{each.ip}/{each.length}", strict=False)
            known = network.version == address.version and network.is_link_local == address.address.is_link_local
            if each.index == link.index and known and network.prefixlen < network.max_prefixlen:
                yield network


def _label(label: str | None, interface: str) -> Iterator[str]:
    # The kernel takes any; `ip` and what reads its output take one that starts otherwise for another interface's.
    if label is not None and label != interface and not label.startswith(f"{interface}:"):
        yield f'label "{label}" does not go with {interface}; write "{interface}", or "{interface}:" and a word'
