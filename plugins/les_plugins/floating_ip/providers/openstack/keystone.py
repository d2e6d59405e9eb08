"""Tokens of OpenStack, which are had for a secret and do not last, and where its services are. Private to `openstack`.

https://docs.openstack.org/api-ref/identity/v3/: `POST /v3/auth/tokens`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from les_hooks.security import Secret
from les_plugins.floating_ip.http import Http
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["MOST_BYTES", "Keystone", "Login", "error_in"]

MOST_BYTES = 1024 * 1024
"""The answer has the catalogue of all services in all regions."""

_MARGIN_SECONDS = 60.0
_LONGEST_TOKEN = 8192


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a token: by an application credential where there is one, else as a user of a project."""

    application_credential_id: str | None
    user: str | None
    user_domain: str
    project: str | None
    project_domain: str

    def request(self, secret: Secret) -> Mapping[str, object]:
        """What to send."""
        if self.application_credential_id is not None:
            credential = {"id": self.application_credential_id, "secret": secret.reveal()}
            identity = {"methods": ["application_credential"], "application_credential": credential}
            return {"auth": {"identity": identity}}
        user = {"name": self.user, "domain": {"name": self.user_domain}, "password": secret.reveal()}
        project = {"name": self.project, "domain": {"name": self.project_domain}}
        return {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": project},
            }
        }


class _Endpoint(msgspec.Struct):
    interface: str
    url: str
    region_id: str | None = None


class _Service(msgspec.Struct):
    type: str
    endpoints: list[_Endpoint] = []


class _Token(msgspec.Struct):
    expires_at: datetime
    catalog: list[_Service] = []


class _Issued(msgspec.Struct):
    token: _Token


class Keystone:
    """Puts a token into requests, and gets another one when it has expired or is not accepted."""

    def __init__(self, http: Http, login: Login, secret: Callable[[], Secret], *, with_catalogue: bool) -> None:
        self._http = dataclasses.replace(http, hide=self.hide)
        self._login = login
        self._read_secret = secret
        self._path = "/auth/tokens" if with_catalogue else "/auth/tokens?nocatalog"
        self._secret: Secret | None = None
        self._known: tuple[Secret, _Token] | None = None
        self._uses = 0

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """Those that authorize this request. Raises Trouble where there is no token to be had."""
        token = (await self._valid())[0]
        self._uses += 1
        return {"X-Auth-Token": token.reveal()}

    def renew(self) -> bool:
        """Take note that the token was not accepted; returns whether another one may be."""
        again = self._uses > 1  # a new one that is refused will not be accepted the next time
        self._known, self._uses = None, 0
        return again

    def hide(self, text: str) -> str:
        """The text without the token and the secret."""
        for secret in (self._known[0] if self._known is not None else None, self._secret):
            text = text.replace(secret.reveal(), "(token)") if secret is not None else text
        return text

    async def endpoints(self, service: str, interface: str) -> list[tuple[str, str]]:
        """Region and URL of each endpoint of a service, in order of the regions. Raises Trouble."""
        _, issued = await self._valid()
        return sorted(
            (each.region_id or "", each.url)
            for found in issued.catalog
            if found.type == service
            for each in found.endpoints
            if each.interface == interface
        )

    async def _valid(self) -> tuple[Secret, _Token]:
        if self._known is not None and self._http.wall() < self._known[1].expires_at.timestamp() - _MARGIN_SECONDS:
            return self._known
        self._secret = self._read_secret()
        try:
            reply = await self._http.send("POST", self._path, self._login.request(self._secret))
        except Trouble as trouble:
            raise Trouble(trouble.fault, f"no token: {trouble.why}", trouble.retry_after) from None
        text = reply.headers.get("X-Subject-Token", "")
        if not text or len(text) > _LONGEST_TOKEN or not (text.isascii() and text.isprintable()) or " " in text:
            raise Trouble(Fault.MALFORMED, "an answer that is not understood (without a token)")
        self._known, self._uses = (Secret(text), reply.read(_Issued).token), 0
        return self._known


def error_in(body: bytes) -> tuple[str, str]:
    """Type and message of an error, of Keystone's form or Neutron's; both empty where it is neither."""
    try:
        found: Any = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return "", ""
    error = found.get("NeutronError", found.get("error"))
    if not isinstance(error, dict):
        return "", error if isinstance(error, str) else ""
    kind, message = error.get("type", ""), error.get("message", "")
    return kind if isinstance(kind, str) else "", message if isinstance(message, str) else ""
