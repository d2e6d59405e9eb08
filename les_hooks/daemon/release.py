"""Giving back the votes of a daemon that died, once nothing of it is left. Imported by `cleanup` and `node`."""

from structlog.typing import FilteringBoundLogger

from les_hooks.backends.peers.farewell import say_farewell
from les_hooks.config import Config, Quorum
from les_hooks.daemon.credentials import credentials_of
from les_hooks.election.frames import Farewell
from les_hooks.errors import StartError
from les_hooks.members import Address, Boot
from les_hooks.wire import PROTOCOL

__all__ = ["release_grants"]

# A voter that takes longer to answer is not waited for: what it granted runs out by itself.
_FAREWELL_SECONDS = 1.0


async def release_grants(config: Config, dead: Boot, log: FilteringBoundLogger) -> None:
    """Tell the voters that nothing of the dead process is left; who does not hear it waits for its lease to end."""
    if config.cluster.quorum is not Quorum.MAJORITY:
        return
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
