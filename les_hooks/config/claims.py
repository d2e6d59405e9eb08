"""What plugins claim for themselves: no two may have the same. For the loader."""

from collections.abc import Mapping

import msgspec

from les_hooks.config.check import Checker
from les_hooks.config.toml_text import excerpt
from les_hooks.text import error_words

__all__ = ["check_claims"]


def check_claims(configs: Mapping[str, msgspec.Struct | None], checker: Checker) -> None:
    """Note where two plugins claim the same, such as an address; `configs` are their own keys, by plugin."""
    holders: dict[str, str] = {}
    for plugin, config in configs.items():
        try:
            claims = _claims(config)
        except Exception as error:  # a plugin's own code
            checker.refuse(("plugins", plugin), f"the plugin cannot tell what it claims: {error_words(error)}")
            continue
        for claim in dict.fromkeys(claims):
            other = holders.setdefault(claim, plugin)
            if other != plugin:
                why = f"claims {excerpt(claim)}, and so does plugin {other}; leave it to one of them"
                checker.refuse(("plugins", plugin), why)


def _claims(config: msgspec.Struct | None) -> list[str]:
    """What the property `claims` tells; a key of that name is the plugin's own affair."""
    if not isinstance(getattr(type(config), "claims", None), property):
        return []
    return [str(claim) for claim in config.claims]  # type: ignore[union-attr]  # it was just found there
