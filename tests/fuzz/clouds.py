"""Providers of floating addresses whose API and metadata service answer with any bytes at all."""

import functools
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from les_hooks.processes import Command, Finished
from les_plugins.floating_ip.allowance import Allowance
from les_plugins.floating_ip.http import Authorize, Explain, Http, Reply, no_explanation
from les_plugins.floating_ip.ownid import OwnId
from les_plugins.floating_ip.providers import Entry, Holder, Tools
from les_plugins.floating_ip.providers.aws.eip import AwsEipTable
from les_plugins.floating_ip.providers.aws.private_ip import AwsPrivateIpTable
from les_plugins.floating_ip.providers.digitalocean import DigitalOceanTable
from les_plugins.floating_ip.providers.hetzner import HetznerFloatingTable
from les_plugins.floating_ip.providers.hetzner_alias import HetznerAliasTable
from les_plugins.floating_ip.providers.openstack.keystone import Keystone
from les_plugins.floating_ip.providers.openstack.neutron import OpenStackTable
from les_plugins.floating_ip.trouble import Fault, Trouble
from les_plugins.floating_ip.world import World

__all__ = ["ask_cloud"]

_WORLD: Final = World(clock=lambda: 0.0, wall=lambda: 1_800_000_000.0, chance=lambda: 0.5, environ=MappingProxyType({}))
_STATUSES: Final = (200, 200, 200, 200, 201, 204, 302, 400, 403, 404, 409, 412, 422, 423, 429, 500, 503)
_FIELD: Final = b"\n--\n"


@dataclass(slots=True)
class _Answers:
    """What is answered: the first byte of each says with which status."""

    left: list[bytes]

    def next(self) -> tuple[int, bytes]:
        if not self.left:
            raise Trouble(Fault.UNREACHABLE, "no more answers")
        answer = self.left.pop(0)
        return _STATUSES[answer[0] % len(_STATUSES)] if answer else 200, answer[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wire(Http):
    """A way to a provider without a network, up to where bytes become replies or trouble."""

    answers: _Answers

    async def _call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        if isinstance(self.authorize, Keystone):
            await self.authorize.headers(method, path, body or b"")
        status, raw = self.answers.next()
        if 200 <= status < 300 and len(raw) <= self.most_bytes:
            said = {"X-Subject-Token": raw[-40:].decode("utf-8", "surrogateescape")}
            return Reply(status=status, headers=said, body=raw, hide=self._hidden)
        raise self._trouble(status, {"Retry-After": raw[:20].decode("utf-8", "surrogateescape")}, raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cloud(Tools):
    """Tools whose every way leads to the answers."""

    answers: _Answers = field(default_factory=lambda: _Answers([]))

    def http(self, base: str, authorize: Authorize, explain: Explain = no_explanation) -> Http:
        """The API."""
        return self._way(base, authorize, explain)

    def login(self, base: str, explain: Explain, most_bytes: int) -> Http:
        """Where tokens are had."""
        return self._way(base, None, explain)

    def metadata(self, base: str) -> Http:
        """The metadata service."""
        return self._way(base, None, no_explanation)

    def _way(self, base: str, authorize: Authorize | None, explain: Explain) -> Http:
        return _Wire(
            base=base,
            timeout=1.0,
            wall=_WORLD.wall,
            authorize=authorize,
            explain=explain,
            lookup=self.lookup,
            answers=self.answers,
        )


async def _run(_command: Command) -> Finished:
    raise AssertionError("no provider of these runs a program")


@functools.cache
def _entries() -> tuple[Callable[[], Entry], ...]:
    """One table of each kind."""
    token = Path(tempfile.mkdtemp(prefix="les-fuzz-")) / "token"
    token.write_text("a-token\n")
    token.chmod(0o600)
    url = "https://keystone.example/v3"
    return (
        lambda: DigitalOceanTable(address="203.0.113.7", token_file=token),
        lambda: DigitalOceanTable(address="2001:db8::7", token_file=token),
        lambda: HetznerFloatingTable(address="203.0.113.7", token_file=token, floating_ip_id=7),
        lambda: HetznerAliasTable(address="10.0.0.7", token_file=token, network_id=3),
        lambda: AwsEipTable(address="203.0.113.7", region="eu-west-1"),
        lambda: AwsPrivateIpTable(address="10.0.0.7", region="eu-west-1"),
        lambda: OpenStackTable(address="203.0.113.7", token_file=token, auth_url=url, user="u", project="p"),
    )


async def _use(entry: Entry, tools: Tools) -> Holder:
    """Find out who holds the address, and take it."""
    provider = entry.provider(tools)
    held = await provider.holder()
    str(await provider.describe(held))
    pending = await provider.assign(held)
    while pending is not None and not await provider.done(pending):
        pass
    return held


def ask_cloud(data: bytes) -> None:
    """Use one provider: it answers in turn what the data holds, and the only error that there may be is Trouble."""
    entries = _entries()
    entry = entries[data[0] % len(entries)]() if data else entries[0]()
    answers = _Answers(data[1:].split(_FIELD))
    tools = _Cloud(
        world=_WORLD,
        allowance=Allowance(1000, _WORLD.clock),
        permit=lambda: None,
        own_id=OwnId(),
        timeout=1.0,
        run=_run,
        answers=answers,
    )
    try:
        held, wait = str(_finish(_use(entry, tools))), 0.0
    except Trouble as trouble:
        held, wait = trouble.why, trouble.retry_after
    assert len(held) < 2**16
    assert 0 <= wait <= 3600


def _finish(work: Coroutine[None, None, Holder]) -> Holder:
    """Run what never waits: an event loop for each of a million runs would be most of the work."""
    try:
        work.send(None)
    except StopIteration as end:
        found = end.value
        assert isinstance(found, Holder)
        return found
    raise AssertionError("it waits for something")
