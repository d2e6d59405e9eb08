"""Which node a command is about: its file, and the control socket that this names. For the commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import click

from les_hooks.config import DEFAULT_FILES, Config, Flags, load_config

__all__ = ["Target", "ask_options", "config_option", "file_named", "json_option"]

# A file is not needed to ask a daemon that was started by flags alone at the default places. This says nothing that
# is not the default anyway; the loader takes it for a sign that no file is wanted.
_NO_FILE: Final[Flags] = MappingProxyType({"security.insecure": (False, "default")})

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(slots=True)
class Target:
    """The object of the command line's context. `file` is what `-c` said, `named_socket` what `--socket` said."""

    file: Path | None = None
    named_socket: Path | None = None

    def config(self) -> Config:
        """The configuration without a look into the tables of plugins, which would import them.

        Raises ConfigError.
        """
        missing = self.file is None and not any(path.exists() for path in DEFAULT_FILES)
        return load_config(self.file, flags=_NO_FILE if missing else {})

    @property
    def socket(self) -> Path:
        """The control socket of the daemon; raises ConfigError where the file cannot tell."""
        return self.named_socket or self.config().control.socket


def file_named(args: Sequence[str]) -> Path | None:
    """The file that `-c` names among arguments that nobody has parsed yet, None without one."""
    for word, following in zip(args, [*args[1:], ""], strict=True):
        if word in ("-c", "--config") and following:
            return Path(following)
        if word.startswith("--config="):
            return Path(word.removeprefix("--config="))
    return None


def _remember(attribute: str) -> Callable[[click.Context, click.Parameter, Path | None], None]:
    def remember(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
        if value is not None:
            setattr(ctx.find_root().ensure_object(Target), attribute, value)

    return remember


# Whether it can be read is found out by reading: that has words, and an exit code, for each reason.
_PATH = click.Path(path_type=Path, readable=False)

config_option = click.option(
    "-c",
    "--config",
    type=_PATH,
    metavar="FILE",
    expose_value=False,
    callback=_remember("file"),
    help="The configuration.  [default: ./les.toml, then /etc/les/les.toml]",
)

_socket_option = click.option(
    "--socket",
    type=_PATH,
    metavar="PATH",
    expose_value=False,
    callback=_remember("named_socket"),
    help="Ask the daemon at this control socket, whatever the configuration says.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def ask_options(command: _Command) -> _Command:
    """The options of a command that asks a daemon."""
    return config_option(_socket_option(command))
