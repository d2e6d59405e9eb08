"""As whom a node runs programs, as its configuration says. Imported by `daemon` and what is above."""

from typing import Final

from les_hooks.config import Config
from les_hooks.errors import StartError
from les_hooks.members import Part
from les_hooks.processes import Confinement, Unavailable, confine, try_out

__all__ = ["KEY", "confinement_of", "tried_confinement", "unless_unavailable"]

KEY: Final = "hooks.user"


def confinement_of(config: Config) -> Confinement | None:
    """How programs are confined, None where they run as this process. Raises StartError where nothing could do it."""
    if config.hooks.user is None or config.cluster.role is Part.WITNESS:
        return None
    return confine(config.hooks.user, config.hooks.limits, KEY)


def tried_confinement(config: Config) -> Confinement | None:
    """The same, tried once. Raises StartError where programs would keep rights, or could not be ended."""
    confinement = confinement_of(config)
    if confinement is not None:
        try_out(confinement, KEY)
    return confinement


def unless_unavailable(config: Config) -> Confinement | Unavailable | None:
    """The same, for what must go on without programs rather than not at all."""
    try:
        return tried_confinement(config)
    except StartError as error:
        return Unavailable(why=str(error))
