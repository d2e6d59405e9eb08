"""hello: greets when this node begins to lead, again every so often while it leads, and says good-bye after that.

The greeting stands in a file, so that there is something to clean up after a crash.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from les_hooks import Context, Duration, Event, hookimpl, plugin_call


class HelloConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.hello]`: what to say, and how often to say it again."""

    greeting: str = "hello"
    every: Duration = 60.0


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """The keys that the table may have; les-hooks tells the operator of all others."""
    return HelloConfig


@hookimpl
async def on_elected(event: Event, ctx: Context) -> None:
    """Greet. It may be called again for what has happened already, so it only makes things as they should be."""
    if ctx.dry_run:
        ctx.log.info("would-greet", greeting=ctx.config.greeting)
        return
    _file(ctx).write_text(f"{ctx.config.greeting} from {event.name}, leader in term {event.term}\n")
    ctx.audit("greeted", "success", greeting=ctx.config.greeting)


@hookimpl
async def on_demoted(ctx: Context) -> None:
    """Take the greeting away. A hook takes only those arguments that it needs."""
    _file(ctx).unlink(missing_ok=True)


@hookimpl
async def while_leader(event: Event, ctx: Context) -> None:
    """Greet again and again. It is cancelled before `on_demoted`; that is the place to let go of things."""
    try:
        while True:
            await asyncio.sleep(ctx.config.every)
            # Ask right before each act: a leader may have lost its authority a moment ago.
            if ctx.authority() > 0.0:
                ctx.log.info("greeting", greeting=ctx.config.greeting, term=event.term)
    finally:
        ctx.log.info("greeted-enough")


@hookimpl
def validate(ctx: Context) -> Sequence[str]:
    """What `les check` is to complain about."""
    return [] if ctx.config.greeting.strip() else ["greeting: says nothing"]


@hookimpl
def status(ctx: Context) -> Mapping[str, object]:
    """What `les status` shows of this plugin."""
    file = _file(ctx)
    return {"greeting": file.read_text().strip() if file.exists() else None}


@hookimpl
def commands(cli: click.Group) -> None:
    """Add `les hello show`. This runs in the operator's process; what the daemon knows comes through `control`."""

    @cli.group("hello")
    def hello() -> None:
        """Greet whoever leads."""

    @hello.command("show")
    @click.option("--loud", is_flag=True, help="In capital letters.")
    @click.pass_context
    def show(context: click.Context, loud: bool) -> None:
        """Show the present greeting."""
        click.echo(plugin_call(context, "hello", "show", loud=loud))


@hookimpl
def control(action: str, arguments: Mapping[str, object], ctx: Context) -> object:
    """Answer the commands, in the daemon."""
    if action != "show":
        raise ValueError(f"no such action: {action}")
    text = status(ctx)["greeting"] or "(nobody is greeted here)"
    return str(text).upper() if arguments.get("loud") else text


@hookimpl
def cleanup(ctx: Context) -> None:
    """Undo what a daemon that died may have left behind; `les cleanup` calls it."""
    _file(ctx).unlink(missing_ok=True)


def _file(ctx: Context) -> Path:
    return ctx.state_dir / "greeting"
