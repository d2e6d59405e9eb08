"""What plugins offer to each other: one mapping, gathered from all who offer something of a kind."""

from collections.abc import Mapping

from les_hooks.dispatch.context import PluginContext
from les_hooks.errors import PluginError
from les_hooks.plugins import Registry
from les_hooks.text import error_words

__all__ = ["gather_offers"]


def gather_offers(registry: Registry, contexts: Mapping[str, PluginContext], kind: str) -> Mapping[str, object]:
    """What the plugins with a context offer under this kind, by name.

    Raises PluginError, for the plugin whose fault it is, where a hook fails or offers a name that another has.
    """
    offered: dict[str, object] = {}
    origins: dict[str, str] = {}
    for found in registry.implementations("offers"):
        if found.plugin not in contexts:
            continue
        try:
            own = dict(found.function(**found.bind(kind=kind, ctx=contexts[found.plugin])))
        except (Exception, SystemExit) as error:  # a stranger's code
            raise PluginError(found.plugin, f"offers: {error_words(error)}") from error
        for name, what in own.items():
            if name in origins:
                raise PluginError(found.plugin, f"offers the {kind} {name!r}, as {origins[name]} does; turn one off")
            origins[name], offered[name] = found.plugin, what
    return offered
