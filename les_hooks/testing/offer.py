"""A registry of what the test has in hand. Private to the package."""

from dataclasses import dataclass
from importlib.metadata import Distribution
from types import ModuleType

from les_hooks.plugins import Registry

__all__ = ["registry_of"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Stands for the entry point of a plugin that is a module or an object."""

    name: str
    plugin: object
    value: str = "the test"
    dist: Distribution | None = None

    def load(self) -> object:
        """Return it."""
        return self.plugin


def registry_of(plugin: object, name: str) -> tuple[Registry, str]:
    """A registry that has the plugin, and the plugin's name: `name`, or what its module or class is called.

    A string is the name of a plugin that is installed.
    """
    if isinstance(plugin, str):
        return Registry(), plugin
    written = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__name__
    short = name or written.rpartition(".")[2].removeprefix("les_hooks_").replace("_", "-").lower()
    return Registry([Offer(short, plugin)]), short
