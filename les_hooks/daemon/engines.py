"""The engine that `[cluster] backend` names, where that is a plugin's. Imported by `parts` and `release`."""

from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from les_hooks import __version__
from les_hooks.backends import Engine, Seat
from les_hooks.config import PEERS, Config
from les_hooks.election.identity import Identity
from les_hooks.errors import StartError
from les_hooks.members import Address, Boot
from les_hooks.plugins import Registry
from les_hooks.text import error_words

__all__ = ["find_engine", "identity_of", "seat_of"]

_BAD_CONFIGURATION = 78


def find_engine(config: Config, registry: Registry) -> Engine | None:
    """The engine of a plugin, None for the one that is built in. Raises StartError where the plugin gives none."""
    name = config.cluster.backend
    if name == PEERS:
        return None
    registry.load(config.wanted, disabled=config.unwanted)
    found = next((each for each in registry.implementations("backends") if each.plugin == name), None)
    if found is None:
        why = next((info.why for info in registry.infos() if info.name == name), "") or "gives no backend"
        raise _unusable(name, f"the plugin {name} {why}")
    try:
        engines: Mapping[str, Engine] = found.function()
        return engines[name]
    except KeyError:
        raise _unusable(name, f"the plugin {name} gives no backend of that name") from None
    except Exception as error:  # whatever a stranger's code does
        raise _unusable(name, f"the plugin {name} failed to give it: {error_words(error)}") from error


def seat_of(config: Config, boot: Boot, term: int, log: FilteringBoundLogger) -> Seat:
    """What an engine is told of one process of this node; `term` is the highest that its disk remembers."""
    name = config.cluster.backend
    return Seat(
        identity=identity_of(config, boot),
        cluster=config.cluster.name,
        hold=config.timing.hold,
        heartbeat=config.timing.heartbeat,
        config=config.plugins[name].config,
        term=term,
        log=log.bind(plugin=name),
    )


def identity_of(config: Config, boot: Boot) -> Identity:
    """Who the process is to the others."""
    return Identity(
        address=Address(config.node.advertise),
        name=config.node.name,
        version=__version__,
        boot=boot,
        part=config.cluster.role,
    )


def _unusable(name: str, why: str) -> StartError:
    return StartError(
        f'backend = "{name}" under [cluster]',
        f"cannot be used: {why}",
        f'install a plugin that gives it (`les plugins list` shows them), or set backend = "{PEERS}"',
        exit_code=_BAD_CONFIGURATION,
    )
