"""Clouds on loopback, over real HTTP: they answer as their documentation says, and fail as they are told to."""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

__all__ = ["TOKEN", "Answer", "Asked", "FakeCloud", "FakeDigitalOcean", "FakeHetzner", "error", "hang", "raw", "reset"]

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "dop_v1_0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that arrived whole."""

    method: str
    path: str
    body: Any
    authorization: str


@dataclass(slots=True)
class FakeCloud:
    """What all have in common: who may ask, what was asked, and answers that are given instead of the right ones.

    `own_id` is what the metadata service says. `instead` is used up from the left, one for each request to the API;
    None lets the request through. `before` is called before each request is looked at.
    """

    own_id: str = "111"
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    instead: "deque[Answer | None]" = field(default_factory=deque)
    before: Callable[[Asked], None] = lambda _: None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    tls: ssl.SSLContext | None = None

    @property
    def changes(self) -> list[Asked]:
        """The requests that were to change something."""
        return [each for each in self.asked if each.method != "GET"]

    def metadata(self, path: str) -> web.StreamResponse | None:
        """What the metadata service says; None where that is not asked."""
        raise NotImplementedError

    async def answer(self, asked: Asked) -> web.StreamResponse:
        """The right answer."""
        raise NotImplementedError

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve until the end of the block, which gets the URL."""
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self.url
        finally:
            await runner.cleanup()
            await asyncio.sleep(2.0)  # who hangs looks around once more

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if (said := self.metadata(request.path)) is not None:
            return said
        text = await request.text()
        asked = Asked(request.method, request.path_qs, json.loads(text) if text else None, _authorization(request))
        self.asked.append(asked)
        self.before(asked)
        if self.instead and (instead := self.instead.popleft()) is not None:
            return await instead(request)  # type: ignore[arg-type]  # a BaseRequest does for all of them
        if asked.authorization.removeprefix("Bearer ") not in self.tokens:
            return self.unauthorized()
        return await self.answer(asked)

    def unauthorized(self) -> web.StreamResponse:
        """What a wrong token gets."""
        return web.json_response({"id": "unauthorized", "message": "Unable to authenticate you"}, status=401)


def _authorization(request: web.BaseRequest) -> str:
    return request.headers.get("Authorization", "")


def error(status: int, message: str = "", **headers: str) -> Answer:
    """An error in the form of DigitalOcean's."""

    async def answer(_: web.Request) -> web.StreamResponse:
        body = {"id": "error", "message": message}
        return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def raw(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Any bytes."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers, content_type="application/json")

    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    """Hang up without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(request: web.Request) -> web.StreamResponse:
    """Do not answer for as long as somebody waits for it."""
    while request.transport is not None:
        await asyncio.sleep(1.0)
    return web.Response()


@dataclass(slots=True)
class _Action:
    number: int
    end: float
    droplet: int
    fails: bool
    over: bool = False

    @property
    def shown(self) -> dict[str, object]:
        status = "in-progress" if not self.over else "errored" if self.fails else "completed"
        return {"action": {"id": self.number, "status": status, "type": "assign_ip", "resource_type": "reserved_ip"}}


@dataclass(slots=True)
class FakeDigitalOcean(FakeCloud):
    """One reserved IP. An action takes `seconds` of the loop's clock; the next `errors` of them fail then."""

    address: str = "203.0.113.7"
    holder: int | None = 222
    seconds: float = 0.0
    errors: int = 0
    actions: list[_Action] = field(default_factory=list)

    def metadata(self, path: str) -> web.StreamResponse | None:
        return web.Response(text=self.own_id) if path == "/metadata/v1/id" else None

    async def answer(self, asked: Asked) -> web.StreamResponse:
        self._finish()
        kind, place = ("reserved_ipv6",) * 2 if ":" in self.address else ("reserved_ip", "reserved_ips")
        path = f"/v2/{place}/{self.address}"
        if (asked.method, asked.path) == ("GET", path):
            droplet = None if self.holder is None else {"id": self.holder, "name": "web", "status": "active"}
            return web.json_response({kind: {"ip": self.address, "droplet": droplet, "locked": self._busy}})
        if (asked.method, asked.path) == ("POST", f"{path}/actions"):
            return self._assign(asked.body)
        for action in self.actions:
            below = f"{path}/actions" if kind == "reserved_ip" else "/v2/actions"
            if (asked.method, asked.path) == ("GET", f"{below}/{action.number}"):
                return web.json_response(action.shown)
        body = {"id": "not_found", "message": "The resource you were accessing could not be found."}
        return web.json_response(body, status=404)

    def _assign(self, body: Any) -> web.StreamResponse:
        if self._busy:
            message = "The Droplet already has a pending event."
            return web.json_response({"id": "unprocessable_entity", "message": message}, status=422)
        assert body == {"type": "assign", "droplet_id": body["droplet_id"]}
        fails, self.errors = self.errors > 0, max(0, self.errors - 1)
        action = _Action(len(self.actions) + 36804636, _now() + self.seconds, body["droplet_id"], fails)
        self.actions.append(action)
        # It is in progress when it is accepted, however quick it may be.
        return web.json_response(action.shown, status=201)

    @property
    def _busy(self) -> bool:
        return any(not action.over for action in self.actions)

    def _finish(self) -> None:
        for action in self.actions:
            if not action.over and action.end <= _now():
                action.over = True
                if not action.fails:
                    self.holder = action.droplet


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class FakeHetzner(FakeCloud):
    """One floating IP, and servers with alias IPs in one private network.

    An action takes `seconds` of the loop's clock, and the next `errors` of them fail at their end. With `strict` an
    address has to be free before it is assigned. While an action runs on something, that is locked.
    """

    address: str = "203.0.113.7"
    floating_ip: int = 4711
    holder: int | None = 222
    network: int = 77
    aliases: dict[int, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    errors: int = 0
    strict: bool = False
    actions: list[tuple[float, Callable[[], None], bool]] = field(default_factory=list)
    ended: dict[int, str] = field(default_factory=dict)

    def metadata(self, path: str) -> web.StreamResponse | None:
        return web.Response(text=f"{self.own_id}\n") if path == "/hetzner/v1/metadata/instance-id" else None

    def unauthorized(self) -> web.StreamResponse:
        return self._error(401, "unauthorized", "unable to authenticate")

    async def answer(self, asked: Asked) -> web.StreamResponse:
        self._finish()
        match asked.method, asked.path.removeprefix("/v1/").split("/"):
            case "GET", ["floating_ips", number] if number == str(self.floating_ip):
                ip = {"id": self.floating_ip, "ip": self.address, "server": self.holder, "blocked": False}
                return web.json_response({"floating_ip": ip})
            case "POST", ["floating_ips", number, "actions", "assign"] if number == str(self.floating_ip):
                if self.strict and self.holder is not None:
                    return self._error(422, "floating_ip_assigned", "The Floating IP is already assigned")
                server = asked.body["server"]
                return self._act(lambda: setattr(self, "holder", server))
            case "POST", ["floating_ips", number, "actions", "unassign"] if number == str(self.floating_ip):
                return self._act(lambda: setattr(self, "holder", None))
            case "GET", ["networks", number] if number == str(self.network):
                return web.json_response({"network": {"id": self.network, "servers": list(self.aliases)}})
            case "GET", ["servers", number] if int(number) in self.aliases:
                net = {"network": self.network, "ip": "10.0.1.9", "alias_ips": self.aliases[int(number)]}
                return web.json_response({"server": {"id": int(number), "private_net": [net]}})
            case "POST", ["servers", number, "actions", "change_alias_ips"] if int(number) in self.aliases:
                return self._change(int(number), asked.body)
            case "GET", ["actions", number] if 0 < int(number) <= len(self.actions):
                return web.json_response(self._shown(int(number)))
            case _:
                return self._error(404, "not_found", "not found")

    def _change(self, server: int, body: Any) -> web.StreamResponse:
        assert body["network"] == self.network
        others = {alias for each, aliases in self.aliases.items() if each != server for alias in aliases}
        if others & set(body["alias_ips"]):
            return self._error(422, "ip_not_available", "IP is not available")
        return self._act(lambda: self.aliases.update({server: list(body["alias_ips"])}))

    def _act(self, change: Callable[[], None]) -> web.StreamResponse:
        if len(self.ended) < len(self.actions):
            return self._error(423, "locked", "item you are trying to access is locked")
        fails, self.errors = self.errors > 0, max(0, self.errors - 1)
        self.actions.append((_now() + self.seconds, change, fails))
        return web.json_response(self._shown(len(self.actions)), status=201)

    def _finish(self) -> None:
        for number, (end, change, fails) in enumerate(self.actions, start=1):
            if number not in self.ended and end <= _now():
                self.ended[number] = "error" if fails else "success"
                if not fails:
                    change()

    def _shown(self, number: int) -> dict[str, object]:
        status = self.ended.get(number, "running")
        why = {"code": "action_failed", "message": "Action failed"} if status == "error" else None
        return {"action": {"id": number, "command": "a_change", "status": status, "progress": 0, "error": why}}

    def _error(self, status: int, code: str, message: str) -> web.StreamResponse:
        return web.json_response({"error": {"code": code, "message": message, "details": None}}, status=status)
