"""One rendering for all who look, and the files beside it. Private to `dashboard`."""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from les_hooks import NodeReport
from les_plugins.dashboard.page import render
from les_plugins.dashboard.snapshot import DAY_SECONDS, Snapshot

__all__ = ["FILES", "VERSION", "Rendered", "SharedPage"]

# However many look, and however much happens: two renderings a second.
_FRESH_SECONDS: Final = 0.5

# Names of members that are gone: so many, and then the oldest are forgotten.
_MOST_NAMES: Final = 256

_TYPES: Final = {"dashboard.css": "text/css", "dashboard.js": "text/javascript", "dashboard.svg": "image/svg+xml"}
_FOLDER: Final = resources.files("les_plugins.dashboard") / "static"

FILES: Final = {name: ((_FOLDER / name).read_bytes(), kind) for name, kind in _TYPES.items()}
"""The style, the script and the icon: their bytes and media types, by name."""

VERSION: Final = hashlib.sha256(b"".join(content for content, _ in FILES.values())).hexdigest()[:12]
"""Another one where a file is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The page as it is sent."""

    body: bytes
    etag: str


class SharedPage:
    """Renders at most twice a second, and gives everybody the same."""

    def __init__(self, node: NodeReport) -> None:
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._begun_at = float("-inf")
        self._page: asyncio.Task[Rendered] | None = None
        self.names: dict[str, str] = {}
        """What members are called, by address; also some who are gone."""
        self.renderings = 0
        """How often it was rendered."""
        self.seconds = 0.0
        """How long the last rendering kept the loop busy."""

    async def get(self) -> Rendered:
        """The page, at most half a second old."""
        now = self._loop.time()
        if self._page is None or now - self._begun_at > _FRESH_SECONDS:
            self._begun_at = now
            self._page = asyncio.create_task(self._render(), name="dashboard-page")
        # One who goes away must not take it from the others who wait for it.
        return await asyncio.shield(self._page)

    async def _render(self) -> Rendered:
        status = await self._node.status()
        begun = time.perf_counter()
        self._learn([status["node"], *status["members"]])  # before it has joined it is no member, yet has a past
        now = float(status["time"])
        snapshot = Snapshot(
            now=now,
            status=status,
            history=self._node.history(now - DAY_SECONDS),
            records=self._node.records(),
            names=self.names,
        )
        body = render(snapshot, VERSION).encode()
        self.renderings += 1
        self.seconds = time.perf_counter() - begun
        return Rendered(body=body, etag=hashlib.sha256(body).hexdigest()[:20])

    def _learn(self, members: Iterable[Mapping[str, Any]]) -> None:
        """Remember what members are called: the status no longer says it of one that is gone."""
        for member in members:
            if member["name"]:
                self.names.pop(member["address"], None)
                self.names[member["address"]] = member["name"]
        for address in list(self.names)[:-_MOST_NAMES]:
            del self.names[address]
