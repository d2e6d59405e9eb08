"""What `les vip status` and `les status` show of the addresses. For `vip`."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from les_plugins.vip.frames import mac_text, probe
from les_plugins.vip.keeper import Keeper
from les_plugins.vip.lookout import ANSWER_SECONDS
from les_plugins.vip.settings import VipConfig, VirtualAddress

__all__ = ["look_around", "shown", "summary"]

# Who said nothing for longer may have lost the address: a holder announces it each minute, unless told not to.
_STALE_SECONDS: Final = 300.0


async def look_around(keeper: Keeper) -> None:
    """Ask who has the addresses, and wait for answers; not where `probe` is off."""
    asked = False
    for address, lookout in keeper.ground.lookouts.items():
        if keeper.config.probe and lookout.can_ask and lookout.link is not None:
            # Past the lookout: what it asked itself is what it judges a silence by.
            asked |= lookout.send(probe(address.address, lookout.link.mac))
    if asked:
        await asyncio.sleep(ANSWER_SECONDS)


def summary(keeper: Keeper | None, config: VipConfig) -> str:
    """All of it in a few words."""
    if keeper is None:
        return "not at work yet"
    if keeper.ground.unfit:
        return keeper.ground.unfit
    held = [address.ip for address in config.addresses if address in keeper.held]
    return f"holds {', '.join(held)}" if held else "holds nothing"


def shown(keeper: Keeper | None, config: VipConfig, *, wall: Callable[[], float] = time.time) -> Mapping[str, Any]:
    """What is wrong, and each address: whether it is here, how long it would stay, and who else claims it."""
    problems = list(keeper.ground.problems.values()) if keeper is not None else ["the plugin is not at work yet"]
    return {"problems": problems, "addresses": [_row(keeper, config, address, wall()) for address in config.addresses]}


def _row(keeper: Keeper | None, config: VipConfig, address: VirtualAddress, now: float) -> Mapping[str, Any]:
    held = keeper.held.get(address) if keeper is not None else None
    # Who had it before this node took it does not contend for it.
    window = _STALE_SECONDS if held is None else min(_STALE_SECONDS, now - held.since)
    claims = _claims(keeper, address, window)
    return {
        "address": address.ip,
        "prefix": address.prefix,
        "interface": config.interface_of(address),
        "held": held is not None,
        "since": held.since if held is not None else None,
        "lifetime_left": keeper.lifetime_left(held) if keeper is not None and held is not None else None,
        "announced": held.herald.last if held is not None else None,
        # Where it is not here, who said so last has it, as far as can be heard.
        "holder": claims[0]["mac"] if claims and held is None else None,
        "claimed_by": claims,
    }


def _claims(keeper: Keeper | None, address: VirtualAddress, window: float) -> Sequence[Mapping[str, Any]]:
    """Which other hosts have claimed the address within so many seconds, the last one first."""
    found = sorted(keeper.claims(address), key=lambda claim: claim[1]) if keeper is not None else []
    return [{"mac": mac_text(mac), "seconds_ago": ago} for mac, ago in found if ago < window]
