"""The plugin on a stage: a context with a table for a fake cloud, and clocks that run with the loop of the test."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import les_plugins.floating_ip as plugin
from les_hooks.events import EventKind
from les_plugins.floating_ip.settings import FloatingIpConfig
from les_plugins.floating_ip.world import World
from tests.fake_context import FakeContext, an_event
from tests.plugins.floating_ip.fakes import TOKEN

__all__ = ["Stage", "audited", "demote", "elect"]


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


WORLD = World(clock=_loop_time, wall=lambda: 1_800_000_000.0 + _loop_time(), chance=lambda: 0.5, environ={})


class Stage:
    """Makes contexts whose token is in a file; `patched` has the plugin run by the loop's clock."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.token_file = folder / "token"
        self.token_file.write_text(f"{TOKEN}\n")
        self.token_file.chmod(0o600)
        patch.setattr(plugin, "WORLD", WORLD)

    def context(self, config: FloatingIpConfig, **fields: Any) -> FakeContext:
        """A context of a node that leads."""
        return FakeContext(name="floating_ip", config=config, **fields)


async def elect(ctx: FakeContext, term: int = 3, kind: EventKind = EventKind.ELECTED) -> None:
    """Tell the plugin that its node leads."""
    await plugin.on_elected(an_event(kind, term=term), ctx)


async def demote(ctx: FakeContext, term: int = 3) -> None:
    """Tell the plugin that its node leads no more."""
    await plugin.on_demoted(an_event(EventKind.DEMOTED, term=term, role="follower"), ctx)


def audited(ctx: FakeContext) -> list[str]:
    """What it left in the audit, each with its fault where it has one."""
    return [f"{each['action']} {each.get('fault', '')}".strip() for each in ctx.audited]
