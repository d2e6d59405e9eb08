"""What `les vip status` and `les status` show of the addresses. For `vip`."""

from collections.abc import Mapping, Sequence
from typing import Any

from les_plugins.vip.frames import mac_text
from les_plugins.vip.keeper import Keeper
from les_plugins.vip.settings import VipConfig, VirtualAddress

__all__ = ["shown", "summary"]


def summary(keeper: Keeper | None, config: VipConfig) -> str:
    """All of it in a few words."""
    if keeper is None:
        return "not at work yet"
    held = [address.ip for address in config.addresses if address in keeper.held]
    if keeper.ground.unfit:
        return keeper.ground.unfit
    return f"holds {', '.join(held)}" if held else "holds nothing"


def shown(keeper: Keeper | None, config: VipConfig) -> Sequence[Mapping[str, Any]]:
    """Each address: whether it is here, how long it would stay, when it was announced, who else answers for it."""
    return [_row(keeper, config, address) for address in config.addresses]


def _row(keeper: Keeper | None, config: VipConfig, address: VirtualAddress) -> Mapping[str, Any]:
    held = keeper.held.get(address) if keeper is not None else None
    return {
        "address": address.ip,
        "interface": config.interface_of(address),
        "held": held is not None,
        "since": held.since if held is not None else None,
        "lifetime_left": keeper.lifetime_left(held) if keeper is not None and held is not None else None,
        "announced": held.herald.last if held is not None else None,
        "claimed_by": [
            {"mac": mac_text(mac), "seconds_ago": ago} for mac, ago in (keeper.claims(address) if keeper else ())
        ],
    }
