"""The bundled plugin `webhook`: tells other programs of the events, and goes on until they have heard.

Loaded through its entry point; nothing imports it.

    settings  what `[plugins.webhook]` can hold
    who       which node posts an event, and whether it is news
    service   the outbox and the workers, put together
    outbox/   what is to be posted, on disk first
    workers   one for each endpoint: attempts, pauses, the end
    contract  what lies between the workers and the way out
    posting/  the way out: one attempt
    formats   what is posted, in the words of `wording` where people read it
    report    what an operator is shown
    records   what is left in audit and log
    commands  `les webhooks`

`docs/webhooks.md` tells users of it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from weakref import WeakSet

import click
import msgspec

from les_hooks import Context, Event, EventKind, Note, PluginError, Reason, hookimpl
from les_hooks.security import only_in_the_unit
from les_hooks.text import plain, printable
from les_plugins.webhook import commands as command_line
from les_plugins.webhook.formats import find_format
from les_plugins.webhook.posting import make_poster
from les_plugins.webhook.posting.provisions import Unready, provide
from les_plugins.webhook.service import Service
from les_plugins.webhook.settings import Endpoint, WebhookConfig

__all__ = ["WebhookConfig"]

# By context and not in one variable: a process may hold several nodes. The newest is the last.
_services: dict[Context, Service] = {}
# Contexts whose work the daemon has ended: a reload came, or the end.
_over: WeakSet[Context] = WeakSet()

# It is the plugin's end, or the daemon's: no news, and others may be waiting.
_NO_NEWS = frozenset({Reason.CRASHED, Reason.RELOAD})


def _service(ctx: Context) -> Service:
    """The service that writes what this context is told."""
    found = _services.get(ctx)
    if found is None and ctx in _over:
        # A hook that began before the reload. Who came after it writes: it knows the endpoints of now.
        found = next((service for other, service in reversed(_services.items()) if _same_node(other, ctx)), None)
    if found is None:
        found = _services[ctx] = Service(ctx, make_poster)
    return found


def _same_node(one: Context, other: Context) -> bool:
    return one.state_dir == other.state_dir


async def _replace_others(ctx: Context) -> None:
    """End those of contexts that were told something, and replaced before they could post: they hold the file."""
    others = {other: service for other, service in _services.items() if other is not ctx and _same_node(other, ctx)}
    for other in others:
        _over.add(other)
        del _services[other]
    await asyncio.gather(*(service.close() for service in others.values()))


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """Read `[plugins.webhook]` into this."""
    return WebhookConfig


@hookimpl
async def while_running(ctx: Context) -> None:
    """Post what is queued."""
    if ctx.dry_run:
        await asyncio.Event().wait()
    _over.discard(ctx)
    service = _service(ctx)
    try:
        await _replace_others(ctx)
        await service.run()
    except asyncio.CancelledError:
        _over.add(ctx)
        raise
    finally:
        _services.pop(ctx, None)


async def _tell(event: Event, ctx: Context) -> None:
    if ctx.dry_run:
        ctx.log.info("would-post", event_kind=event.kind)
    else:
        await _service(ctx).tell(event)


@hookimpl
async def on_started(event: Event, ctx: Context) -> None:
    """Write the rows."""
    await _tell(event, ctx)


@hookimpl
async def on_stopping(event: Event, ctx: Context) -> None:
    """Write the rows."""
    await _tell(event, ctx)


@hookimpl
async def on_elected(event: Event, ctx: Context) -> None:
    """Write the rows."""
    await _tell(event, ctx)


@hookimpl
async def on_demoted(event: Event, ctx: Context) -> None:
    """Write the rows."""
    if event.reason not in _NO_NEWS:
        await _tell(event, ctx)


@hookimpl
async def on_reasserted(event: Event, ctx: Context) -> None:
    """Write the rows."""
    await _tell(event, ctx)


@hookimpl
async def on_leader_changed(event: Event, ctx: Context) -> None:
    """Write the rows."""
    await _tell(event, ctx)


@hookimpl
async def on_member_joined(event: Event, ctx: Context) -> None:
    """Write the rows."""
    await _tell(event, ctx)


@hookimpl
async def on_member_left(event: Event, ctx: Context) -> None:
    """Write the rows."""
    await _tell(event, ctx)


@hookimpl
async def on_member_lost(event: Event, ctx: Context) -> None:
    """Write the rows."""
    await _tell(event, ctx)


@hookimpl
def validate(ctx: Context) -> Sequence[str]:
    """Complain about what could not be posted: files that cannot be used, and formats that nobody has."""
    config: WebhookConfig = ctx.config
    if not config.endpoints:
        return ["nobody is told; add [[plugins.webhook.endpoints]]"]
    complaints = [printable(f"{each.name}: {why}") for each in config.endpoints for why in _impossible(each, ctx)]
    return [*complaints, *map(Note, _unseen(config.endpoints))]


def _unseen(endpoints: Iterable[Endpoint]) -> Iterator[str]:
    for each in endpoints:
        for path in filter(None, (each.url_file, each.secret_file)):
            if only_in_the_unit(path):
                yield printable(f"{each.name}: {path} was not looked at: systemd makes it when it starts the unit")


def _impossible(endpoint: Endpoint, ctx: Context) -> Iterator[str]:
    try:
        if not any(_unseen([endpoint])):
            provide(endpoint)
    except Unready as error:
        yield error.why
    try:
        find_format(endpoint.format, ctx)
    except ValueError as error:
        yield f"format: {error}"


@hookimpl
def plan(kind: EventKind, ctx: Context) -> Sequence[str]:
    """Say whom it would tell."""
    config: WebhookConfig = ctx.config
    names = [endpoint.name for endpoint in config.endpoints if kind in endpoint.events]
    return [f"post {kind} to {', '.join(names)}"] if names else []


@hookimpl
async def status(ctx: Context) -> Mapping[str, object]:
    """Tell how the endpoints do."""
    found = _services.get(ctx)
    return {"summary": "posts nothing yet", "endpoints": []} if found is None else found.status()


@hookimpl
def commands(cli: click.Group) -> None:
    """Add `les webhooks`."""
    command_line.add(cli)


@hookimpl
async def control(action: str, arguments: Mapping[str, object], ctx: Context) -> object:
    """`list`, `failed`, `replay` and `test`: what `les webhooks` asks."""
    service = _services.get(ctx)
    if service is None:
        raise PluginError(ctx.name, "does not post yet; see the log")
    endpoint = _text(arguments, "endpoint")
    match action:
        case "list":
            return service.endpoints()
        case "failed":
            return await service.failed(endpoint)
        case "replay":
            since = arguments.get("since")
            moment = float(since) if isinstance(since, int | float) else None
            return await service.replay(delivery=_text(arguments, "id"), endpoint=endpoint, since=moment)
        case "test":
            return await service.test(endpoint or "")
        case _:
            raise PluginError(ctx.name, f"knows list, failed, replay and test, not {plain(action)!r}")


def _text(arguments: Mapping[str, object], key: str) -> str | None:
    value = arguments.get(key)
    return None if value is None else plain(str(value))
