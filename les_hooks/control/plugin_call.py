"""How a plugin's own commands reach its `control` hook in the daemon. Imported by plugins and the command line."""

from pathlib import Path
from typing import Protocol

from les_hooks.control.client import call

__all__ = ["plugin_call"]


class Target(Protocol):
    """What knows the control socket: the object of the command line's context."""

    @property
    def socket(self) -> Path:
        """The path of the control socket."""


class CommandContext(Protocol):
    """A `click.Context` of the command line."""

    def find_root(self) -> "CommandContext":
        """The outermost context."""

    @property
    def obj(self) -> object:
        """What the command line keeps there, a Target."""


def plugin_call(where: "CommandContext | Target | Path", plugin: str, action: str, /, **arguments: object) -> object:
    """Have the daemon call the plugin's `control(action, arguments, ctx)`, and return what it answers.

    `where` is the `click.Context` of the command, or the path of a control socket. Raises ControlError, which the
    command line shows with its exit code, so that commands need not catch it.
    """
    path = _socket(where)
    # Whether there is anybody at home is known sooner than that: a process that is stopped takes requests, too.
    call(path, "leader", timeout=_AT_HOME)
    return call(path, "plugin", {"plugin": plugin, "action": action, "arguments": arguments}, timeout=_LIMIT)


_AT_HOME = 10.0

# The plugin's own limit ends the call long before, unless it is set higher than this.
_LIMIT = 300.0


def _socket(where: "CommandContext | Target | Path") -> Path:
    if isinstance(where, Path):
        return where
    target = where.find_root().obj if hasattr(where, "find_root") else where
    socket = getattr(target, "socket", None)
    if not isinstance(socket, Path):
        raise TypeError("plugin_call needs the click.Context of a `les` command, or the path of a control socket")
    return socket
