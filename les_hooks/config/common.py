"""The keys that the table of every plugin has, and the defaults that a plugin's own struct may give them.

For the loader and the schema.
"""

from typing import Any, Final

import msgspec

from les_hooks.config.model import PluginKeys

__all__ = ["COMMON", "declared_defaults"]

COMMON: Final = tuple(field.name for field in msgspec.structs.fields(PluginKeys))

# Not `enabled`: a table that is there names a plugin, and so loads it.
_DECLARABLE: Final = frozenset({"critical", "timeout", "order"})


def declared_defaults(kind: type[msgspec.Struct] | None) -> dict[str, Any]:
    """The defaults of common keys that the plugin's struct declares, as it wrote them."""
    if kind is None:
        return {}
    fields = msgspec.structs.fields(kind)
    return {
        field.encode_name: field.default
        for field in fields
        if field.encode_name in _DECLARABLE and field.default is not msgspec.NODEFAULT
    }
