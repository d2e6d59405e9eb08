"""The group of all commands: where each is found, plugins' commands, and what errors look like."""

import contextlib
import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final, NoReturn

import click

from les_hooks import __version__
from les_hooks.cli.target import Target, config_option, file_named
from les_hooks.errors import ConfigError, ControlError, LesHooksError, StartError
from les_hooks.text import printable

__all__ = ["CONFIGURATION", "FAILED", "NO_LEADER", "NO_PERMISSION", "cli", "exit_code", "main"]

FAILED: Final = 1
NO_LEADER: Final = 4
NO_PERMISSION: Final = 77
CONFIGURATION: Final = 78

_COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run": "les_hooks.cli.run:run",
        "demo": "les_hooks.cli.demo:demo",
        "init": "les_hooks.cli.init:init",
        "ca": "les_hooks.cli.ca:ca",
        "check": "les_hooks.cli.check:check",
        "secret": "les_hooks.cli.secret:secret",
        "status": "les_hooks.cli.status:status",
        "members": "les_hooks.cli.status:members",
        "leader": "les_hooks.cli.ask:leader",
        "watch": "les_hooks.cli.watch:watch",
        "history": "les_hooks.cli.history:history",
        "hooks": "les_hooks.cli.hooks:hooks",
        "plugins": "les_hooks.cli.plugins:plugins",
        "config": "les_hooks.cli.config:config",
        "audit": "les_hooks.cli.audit:audit",
        "reload": "les_hooks.cli.ask:reload",
        "step-down": "les_hooks.cli.moves:step_down",
        "transfer": "les_hooks.cli.moves:transfer",
        "maintenance": "les_hooks.cli.moves:maintenance",
        "leave": "les_hooks.cli.ask:leave",
        "cleanup": "les_hooks.cli.cleanup:cleanup",
    }
)


class _Commands(click.Group):
    """Imports a command when it is used, and plugins only when no command of ours has the name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands: ours in the order of a day with them, then those of plugins."""
        self._load_plugin_commands(ctx)
        ours = [name for name, home in _COMMANDS.items() if find_spec(home.partition(":")[0]) is not None]
        return [*ours, *sorted(self.commands.keys() - set(ours))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, None where there is none of that name."""
        if cmd_name in _COMMANDS:
            module, _, name = _COMMANDS[cmd_name].partition(":")
            if find_spec(module) is not None:
                command: click.Command = getattr(import_module(module), name)
                return command
        elif cmd_name not in self.commands:
            self._load_plugin_commands(ctx)
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first word; one that is misspelt is a usage error that says what was likely meant."""
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-") and not self._is_elsewhere(ctx, args):
            from les_hooks.cli.plugin_commands import why_not_there  # as below

            hint = why_not_there(ctx.ensure_object(Target), word)
            if not hint and (likely := difflib.get_close_matches(word, self.list_commands(ctx), n=1)):
                hint = f" Did you mean {likely[0]!r}?"
            ctx.fail(f"No such command {word!r}.{hint}")
        return super().resolve_command(ctx, args)

    def _is_elsewhere(self, ctx: click.Context, args: list[str]) -> bool:
        """Whether a plugin of the file that `-c` names after the command has it."""
        target = ctx.ensure_object(Target)
        if target.file is not None or (file := file_named(args)) is None:
            return False
        target.file = file
        return self.get_command(ctx, args[0]) is not None

    def _load_plugin_commands(self, ctx: click.Context) -> None:
        # Imported here: it costs as much as all the rest together, and most calls have no use for it.
        from les_hooks.cli.plugin_commands import add_plugin_commands

        add_plugin_commands(self, ctx.find_root().ensure_object(Target), reserved=_COMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises becomes lines on standard error and an exit code."""
        try:
            return super().invoke(ctx)
        except (LesHooksError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise  # who read our output has seen enough; click ends quietly
            for line in str(error).splitlines() if isinstance(error, ConfigError) else [f"les: {error}"]:
                click.echo(printable(line), err=True)
            ctx.exit(exit_code(error))


def exit_code(error: BaseException) -> int:
    """The exit code that stands for an error."""
    match error:
        case PermissionError() | ConfigError(__cause__=PermissionError()) | StartError(__cause__=PermissionError()):
            return NO_PERMISSION
        case ConfigError():
            return CONFIGURATION
        case ControlError(exit_code=code) | StartError(exit_code=code):
            return code
        case _:
            return FAILED


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@config_option
@click.version_option(__version__, prog_name="les")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Leader election by seniority, and hooks that run when leadership moves.

    Exit codes: 0 done, 1 failed, 2 usage, 3 not the leader, 4 no leader, 69 no daemon answers, 77 not permitted,
    78 configuration.
    """
    ctx.ensure_object(Target)


def main() -> NoReturn:
    """Run `les` with the arguments of this process."""
    with contextlib.suppress(KeyboardInterrupt):
        cli(prog_name="les")
    raise SystemExit(FAILED)
