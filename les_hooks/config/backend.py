"""What must hold where a plugin says who leads: `[cluster] backend`. For the loader.

As in `rules`, None stands for a value that was refused, and the rules that need it say nothing.
"""

from les_hooks.config.check import Checker
from les_hooks.config.derive import Values
from les_hooks.config.model import PluginConfig
from les_hooks.config.tables import PEERS, Quorum
from les_hooks.config.toml_text import toml_string
from les_hooks.members import Part

__all__ = ["check_backend", "check_engine"]


def check_backend(values: Values, checker: Checker) -> None:
    """Note what only the built-in backend can do."""
    backend = values["cluster.backend"]
    if backend is None:
        return
    peers = f"is for backend = {toml_string(PEERS)}; with {toml_string(backend)}"
    if values["cluster.quorum"] is Quorum.MAJORITY:
        checker.refuse(("cluster", "quorum"), f"{peers} the backend decides who leads: remove it, and voters")
    elif values["cluster.voters"]:
        checker.refuse(("cluster", "voters"), f"{peers} no node votes: remove it")
    if values["cluster.role"] is Part.WITNESS:
        checker.refuse(
            ("cluster", "role"), f'"witness" {peers} no node votes, so it would do nothing: remove this node'
        )


def check_engine(name: str, plugin: PluginConfig | None, checker: Checker) -> None:
    """Note that the plugin which is to say who leads is turned off; `plugin` is None where its table was refused."""
    if plugin is not None and not plugin.enabled:
        checker.refuse(
            ("plugins", name, "enabled"),
            f"turns off what says who leads, backend = {toml_string(name)}; remove this line, or set another backend",
        )
