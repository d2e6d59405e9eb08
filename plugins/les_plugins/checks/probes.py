"""From a check of the configuration to what looks. Private to `checks`."""

import asyncio
from collections.abc import Awaitable, Callable

from les_hooks import Context
from les_hooks.text import error_words
from les_plugins.checks.kinds.http import get
from les_plugins.checks.kinds.interface import look_at
from les_plugins.checks.kinds.ping import ping
from les_plugins.checks.kinds.process import look_for
from les_plugins.checks.kinds.routes import default_gateway
from les_plugins.checks.kinds.script import run
from les_plugins.checks.kinds.tcp import connect
from les_plugins.checks.kinds.unit import ask_systemd
from les_plugins.checks.settings import DEFAULT_GATEWAY, Check, ChecksConfig, Kind
from les_plugins.lookup import Lookup

__all__ = ["Probe", "probe_of"]

Probe = Callable[[], Awaitable[str]]
"""Looks once, for a bounded time: says why not, or nothing where all is well. Raises nothing but CancelledError."""


def probe_of(check: Check, ctx: Context) -> Probe:
    """Make what looks for this check; each has names of its own to look up."""
    lookup = Lookup()

    async def probe() -> str:
        try:
            async with asyncio.timeout(None if check.kind in _BOUND_THEMSELVES else check.timeout):
                return await _look(check, ctx, lookup)
        except TimeoutError:
            return f"no answer within {check.timeout:g} s"
        except Exception as error:  # whatever it is, this check does not say that the node is fit
            return error_words(error, 120)

    return probe


# They end a process group in order when its time is up, instead of being cancelled in the middle of it.
_BOUND_THEMSELVES = frozenset({Kind.UNIT, Kind.SCRIPT})


async def _look(check: Check, ctx: Context, lookup: Lookup) -> str:
    config: ChecksConfig = ctx.config
    match check.kind:
        case Kind.TCP:
            return await connect(check.target, lookup)
        case Kind.HTTP:
            return await get(check.target, lookup, check.status, follow_redirects=bool(check.follow_redirects))
        case Kind.PROCESS:
            return await asyncio.to_thread(look_for, check.target)  # /proc of a busy host takes a while
        case Kind.UNIT:
            return await ask_systemd(check.target, ctx, config.path, check.timeout)
        case Kind.INTERFACE:
            return look_at(check.target)
        case Kind.GATEWAY:
            return await _ping_gateway(check.target)
        case Kind.SCRIPT:
            return await run(config.dir / check.target, ctx, config.path, check.timeout)


async def _ping_gateway(target: str) -> str:
    if target != DEFAULT_GATEWAY:
        return await ping(target)
    try:
        return await ping(default_gateway())
    except LookupError as error:
        return str(error)
