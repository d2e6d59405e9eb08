"""Giving back what a daemon that died held, once nothing of it is left. Imported by `cleanup` and `node`."""

import asyncio

from structlog.typing import FilteringBoundLogger

from les_hooks.backends import Engine, Seat
from les_hooks.backends.peers.farewell import say_farewell
from les_hooks.config import Config, Quorum
from les_hooks.daemon.credentials import credentials_of
from les_hooks.daemon.engines import find_engine, seat_of
from les_hooks.election.frames import Farewell
from les_hooks.errors import StartError
from les_hooks.members import Address, Boot
from les_hooks.plugins import Registry
from les_hooks.text import error_words
from les_hooks.wire import PROTOCOL

__all__ = ["release"]

# A voter that takes longer to answer is not waited for: what it granted runs out by itself.
_FAREWELL_SECONDS = 1.0
# An engine may have to try several servers, and others wait for whoever does this.
_RELEASE_SECONDS = 5.0


async def release(config: Config, dead: Boot, registry: Registry, log: FilteringBoundLogger) -> None:
    """Let others lead in the place of the dead process; who does not hear it waits until its time has run out."""
    try:
        engine = find_engine(config, registry)
    except StartError as error:
        log.warning("release-failed", reason=error.why, advice=error.advice)
        return
    if engine is not None:
        await _release_seat(engine, seat_of(config, dead, 0, log))
    elif config.cluster.quorum is Quorum.MAJORITY:
        await _release_grants(config, dead, log)


async def _release_seat(engine: Engine, seat: Seat) -> None:
    try:
        async with asyncio.timeout(_RELEASE_SECONDS):
            await engine.release(seat)
    except Exception as error:  # a plugin's own code; what it held runs out by itself
        seat.log.warning("release-failed", boot=seat.identity.boot.counter, reason=error_words(error))
    else:
        seat.log.info("released", boot=seat.identity.boot.counter)


async def _release_grants(config: Config, dead: Boot, log: FilteringBoundLogger) -> None:
    try:
        credentials = credentials_of(config, log)
    except StartError as error:
        # Nobody would believe it; what they granted runs out by itself.
        log.warning("farewell-unsaid", reason=error.why, advice=error.advice)
        return
    me = Address(config.node.advertise)
    farewell = Farewell(protocol=PROTOCOL, cluster=config.cluster.name, address=me, boot=dead)
    others = frozenset(config.cluster.voters) - {me}
    taken = await say_farewell(others, farewell, credentials, limit=_FAREWELL_SECONDS, log=log)
    log.info("grants-released", boot=dead.counter, voters=sorted(taken))
