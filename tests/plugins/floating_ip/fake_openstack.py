"""OpenStack's Keystone, Neutron and metadata on loopback, over real HTTP: as their references say."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.plugins.floating_ip.fakes import Answer, Asked, FakeCloud
from tests.plugins.floating_ip.stage import WORLD

__all__ = ["CREDENTIAL", "FLOATING", "INSTANCE", "OTHER", "OWN", "FakeOpenStack", "neutron_error"]

INSTANCE = "83679162-1378-4288-a2d4-70e13ec132aa"
OWN, OTHER = "ce705c24-c1ef-408a-bda3-7bbd946164ab", "d7c4a8f5-02a3-4e5c-9a4e-7a8fbb9a2f10"
FLOATING = "2f245a7b-796b-4f26-9cf9-9e82d248fda7"
CREDENTIAL = "423f19a4ac1e4f48bbb4180756e6eb6c"


def neutron_error(status: int, kind: str, message: str = "No.", **headers: str) -> Answer:
    """An error in the form of Neutron's."""

    async def answer(_: web.Request) -> web.StreamResponse:
        body = {"NeutronError": {"type": kind, "message": message, "detail": ""}}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=given)

    return answer


@dataclass(slots=True)
class FakeOpenStack(FakeCloud):
    """One floating IP in one project. `logins` are the identities that get a token, which lasts `lasts` seconds.

    `url` is Neutron's and Keystone's both, told apart by their paths; `regions` have a network service each.
    """

    own_id: str = INSTANCE
    address: str = "203.0.113.7"
    port: str | None = OTHER
    fixed_ip: str = "10.0.1.12"
    revision: int | None = 3
    status: str = "ACTIVE"
    logins: list[dict[str, Any]] = field(default_factory=list)
    lasts: float = 3600.0
    valid: list[str] = field(default_factory=list)
    regions: list[str] = field(default_factory=lambda: ["RegionOne"])
    network: str = ""
    ports: list[str] = field(default_factory=lambda: [OWN])
    issued: list[Asked] = field(default_factory=list)
    refused: "Answer | None" = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/openstack/latest/meta_data.json":
            return web.json_response({"uuid": self.own_id, "name": "web", "meta": {"a": "b"}})
        text = await request.text()
        body = json.loads(text) if text else None
        asked = Asked(request.method, request.path_qs, body, request.headers.get("X-Auth-Token", ""))
        if request.path == "/identity/v3/auth/tokens":
            self.issued.append(asked)
            return await self.refused(request) if self.refused is not None else self._issue(request, body)  # type: ignore[arg-type]  # as in FakeCloud
        self.asked.append(asked)
        self.before(asked)
        if self.instead and (instead := self.instead.popleft()) is not None:
            return await instead(request)  # type: ignore[arg-type]  # as in FakeCloud
        if asked.authorization not in self.valid:
            body = {
                "error": {
                    "code": 401,
                    "title": "Unauthorized",
                    "message": "The request you have made requires authentication.",
                }
            }
            return web.json_response(body, status=401)
        return await self._neutron(request, body)(request)  # type: ignore[arg-type]  # as in FakeCloud

    def _issue(self, request: web.BaseRequest, body: Any) -> web.StreamResponse:
        auth = body["auth"]
        if auth["identity"] | {"scope": auth.get("scope")} not in self.logins:
            message = "The request you have made requires authentication."
            return web.json_response({"error": {"code": 401, "title": "Unauthorized", "message": message}}, status=401)
        self.valid.append(f"gAAAAAB{len(self.issued)}")
        end = datetime.fromtimestamp(WORLD.wall() + self.lasts, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        token: dict[str, Any] = {"methods": auth["identity"]["methods"], "expires_at": end}
        if "nocatalog" not in request.query_string:
            others = {"type": "compute", "name": "nova", "endpoints": [{"interface": "public", "url": "https://nova"}]}
            token["catalog"] = [others, {"type": "network", "name": "neutron", "endpoints": self._endpoints}]
        return web.json_response({"token": token}, status=201, headers={"X-Subject-Token": self.valid[-1]})

    @property
    def _endpoints(self) -> list[dict[str, str]]:
        return [
            {"id": f"{region}{interface}", "interface": interface, "region": region, "region_id": region, "url": url}
            for region in self.regions
            for interface, url in {"public": self.network or self.url, "admin": "https://admin"}.items()
        ]

    def _neutron(self, request: web.BaseRequest, body: Any) -> Answer:
        place = f"{request.method} {request.path}"
        if place == "GET /v2.0/floatingips":
            found = [self._shown] if request.query["floating_ip_address"] == self.address else []
            return _json({"floatingips": found})
        if place == "GET /v2.0/ports":
            found = [{"id": port} for port in self.ports] if request.query["device_id"] == INSTANCE else []
            return _json({"ports": found})
        if place != f"PUT /v2.0/floatingips/{FLOATING}":
            return neutron_error(404, "HTTPNotFound", "The resource could not be found.")
        if (wanted := request.headers.get("If-Match")) and wanted != f"revision_number={self.revision}":
            # The one error of Neutron's that has another form: it comes from the framework below.
            return _json({"message": f"Constrained to {wanted}, but current revision is {self.revision}"}, 412)
        self.move(body["floatingip"]["port_id"], body["floatingip"].get("fixed_ip_address", "10.0.1.11"))
        return _json({"floatingip": self._shown})

    def move(self, port: str | None, fixed_ip: str = "10.0.1.13") -> None:
        """Let this port have the floating IP."""
        self.port, self.fixed_ip = port, fixed_ip
        self.revision = None if self.revision is None else self.revision + 1

    @property
    def _shown(self) -> dict[str, Any]:
        shown = {
            "id": FLOATING,
            "floating_ip_address": self.address,
            "port_id": self.port,
            "fixed_ip_address": self.fixed_ip if self.port else None,
            "status": self.status,
        }
        return shown if self.revision is None else shown | {"revision_number": self.revision}


def _json(body: Any, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return answer
