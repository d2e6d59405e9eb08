"""Which pages there are: the engine's, and those of the plugins that can be used. For this package only."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from les_hooks.errors import PluginError
from les_hooks.hookspecs import Route

__all__ = ["Page", "Table", "usable"]

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
# One spelling for each path, as requests are compared with it byte by byte: nothing escaped, empty, or relative.
_PATH: Final = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Route):
    """A page of the engine's. One that `lasts` bounds itself; `any_host` answers to whatever name it is called by."""

    lasts: bool = False
    any_host: bool = False


Table = Mapping[str, Mapping[str, Page]]
"""The pages, by path and by method."""


def usable(
    plugin: str, taken: Collection[tuple[str, str]], offered: Iterable[object]
) -> Mapping[tuple[str, str], Page]:
    """What the plugin offers, by path and method. Raises PluginError where some of it cannot stand beside the taken."""
    found: dict[tuple[str, str], Page] = {}
    for route in offered:
        if not isinstance(route, Route):
            raise PluginError(plugin, f"{route!r} is no Route")
        if not isinstance(route.path, str) or not _PATH.fullmatch(route.path):
            raise PluginError(plugin, f"the path {route.path!r} is not like /a/b, of letters, digits and . _ ~ -")
        if route.method not in _METHODS:
            raise PluginError(plugin, f"the method {route.method!r} of {route.path} is none of {', '.join(_METHODS)}")
        if (route.path, route.method) in taken or (route.path, route.method) in found:
            raise PluginError(plugin, f"{route.method} {route.path} is taken")
        if not callable(route.handler):
            raise PluginError(plugin, f"the handler of {route.path} cannot be called")
        page = Page(path=route.path, handler=route.handler, method=route.method, open=route.open)
        found[route.path, route.method] = page
    return found
