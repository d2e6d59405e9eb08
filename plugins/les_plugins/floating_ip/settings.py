"""What `[plugins.floating_ip]` can hold, and what is wrong with it. Values only; private to `floating_ip`.

A provider's addresses are a list of tables of its own, `[[plugins.floating_ip.<provider>]]`: so each has exactly the
keys that it needs, and a misspelt one is found with its place.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from les_hooks.config import Interval
from les_plugins.floating_ip.providers import Entry
from les_plugins.floating_ip.providers.aws.eip import AwsEipTable
from les_plugins.floating_ip.providers.aws.private_ip import AwsPrivateIpTable
from les_plugins.floating_ip.providers.command import CommandTable
from les_plugins.floating_ip.providers.digitalocean import DigitalOceanTable
from les_plugins.floating_ip.providers.hetzner import HetznerFloatingTable
from les_plugins.floating_ip.providers.hetzner_alias import HetznerAliasTable
from les_plugins.floating_ip.providers.openstack.neutron import OpenStackTable

__all__ = ["FloatingIpConfig"]

_Several = Meta(max_length=16)


class FloatingIpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.floating_ip]`. Durations in seconds.

    `patience` is how long a new leader tries to get all addresses before it has failed. `poll` lies between two looks
    at a change that is not finished, `refresh` between two looks at who holds an address. `request_timeout` bounds
    each call.
    """

    critical: bool = True
    patience: Interval = 60.0
    poll: Interval = 1.0
    refresh: Interval = 60.0
    request_timeout: Interval = 10.0
    digitalocean: Annotated[tuple[DigitalOceanTable, ...], _Several] = ()
    hetzner: Annotated[tuple[HetznerFloatingTable, ...], _Several] = ()
    hetzner_alias: Annotated[tuple[HetznerAliasTable, ...], _Several] = ()
    aws_eip: Annotated[tuple[AwsEipTable, ...], _Several] = ()
    aws_private_ip: Annotated[tuple[AwsPrivateIpTable, ...], _Several] = ()
    openstack: Annotated[tuple[OpenStackTable, ...], _Several] = ()
    command: Annotated[tuple[CommandTable, ...], _Several] = ()

    def __post_init__(self) -> None:
        counts = Counter(entry.address for _, entry in self.entries)
        if twice := [address for address, count in counts.items() if count > 1]:
            raise ValueError(f"names the address {twice[0]} twice; one mover for each address")

    @property
    def entries(self) -> Iterator[tuple[str, Entry]]:
        """All addresses, each with the name of its provider."""
        for provider in PROVIDERS:
            for entry in getattr(self, provider):
                yield provider, entry

    @property
    def claims(self) -> Sequence[str]:
        """What no other plugin may look after.

        It is what the provider does with an address; the same address on an interface is another plugin's, and both are
        needed where a provider only delivers packets.
        """
        return [f"floating address {entry.address}" for _, entry in self.entries]


PROVIDERS = ("digitalocean", "hetzner", "hetzner_alias", "aws_eip", "aws_private_ip", "openstack", "command")
"""The keys of `FloatingIpConfig` that are lists of addresses."""
