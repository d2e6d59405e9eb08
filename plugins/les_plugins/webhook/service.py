"""The outbox and the workers of one context, put together. Private to `webhook`."""

import asyncio
import contextlib
import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from les_hooks import Context, Event, EventKind, PluginError
from les_plugins.webhook.contract import Delivery, Poster
from les_plugins.webhook.outbox import Outbox, Unwritten
from les_plugins.webhook.outbox.rows import Bounds, Tally
from les_plugins.webhook.records import PACE_SECONDS, Records
from les_plugins.webhook.report import dead_letter, sample, shown
from les_plugins.webhook.settings import Endpoint, WebhookConfig
from les_plugins.webhook.who import RIPE_SECONDS
from les_plugins.webhook.workers import Worker

__all__ = ["COMMIT_SECONDS", "LAST_SECONDS", "MakePoster", "Service"]

COMMIT_SECONDS = 0.5
"""How long a hook waits until its rows are on the disk; after that the write goes on without it."""
LAST_SECONDS = 2.0
"""How long a daemon that ends goes on posting what was never tried."""

_CLOSE_SECONDS = 2.0
_MOST_DEAD_SHOWN = 1000
_MOST_FILE_BYTES = 16 * 1024

MakePoster = Callable[[Endpoint, Context], Poster]


class Service:
    """Writes what is told, and posts it while it runs."""

    def __init__(
        self,
        ctx: Context,
        make_poster: MakePoster,
        *,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        config: WebhookConfig = ctx.config
        self._ctx = ctx
        self._make_poster = make_poster
        self._endpoints = {endpoint.name: endpoint for endpoint in config.endpoints}
        self._wall = wall
        self._chance = chance
        self._records = Records(ctx, time.monotonic)
        self._workers: Mapping[str, Worker] = {}
        self._posters: Mapping[str, Poster] = {}
        self._last: Event | None = None
        self._outbox = Outbox(
            ctx.state_dir / "outbox.sqlite",
            Bounds(rows=config.max_rows, bytes=config.max_bytes),
            lambda: {name: _target(endpoint) for name, endpoint in self._endpoints.items()},
            self._records,
            wall,
        )

    # -- events --------------------------------------------------------------------------------------------------------

    async def tell(self, event: Event) -> None:
        """Write the event's rows. Never raises for what is wrong with the disk: nobody else may be held up by it."""
        written = self.written(event)
        # Who demotes has others waiting. What a crash takes of that is told by the demotion of the next start.
        if event.kind is not EventKind.DEMOTED:
            await asyncio.wait({written}, timeout=COMMIT_SECONDS)

    def written(self, event: Event) -> "asyncio.Future[None]":
        """Begin to write the event's rows; done once they are on the disk, or it is recorded that they cannot be."""
        self._last = event
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            rows = self._outbox.tell(event, tuple(self._endpoints.values()))
        except Unwritten as error:
            self._records.unwritten(event.id, str(error))
            done.set_result(None)
        else:
            rows.add_done_callback(lambda rows: self._written(event, rows, done))
        return done

    def _written(self, event: Event, rows: "asyncio.Future[Any]", done: "asyncio.Future[None]") -> None:
        if not rows.cancelled() and (error := rows.exception()) is not None:
            self._records.unwritten(event.id, str(error))
        if not done.done():
            done.set_result(None)
        for worker in self._workers.values():
            worker.woken()

    # -- posting -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Post until it is cancelled, and then for a moment what was never tried; afterwards it can tell no more."""
        self._posters = {name: self._make_poster(endpoint, self._ctx) for name, endpoint in self._endpoints.items()}
        try:
            disabled = await self._disabled()
            self._workers = {
                name: Worker(
                    endpoint,
                    self._outbox,
                    self._posters[name],
                    self._records,
                    wall=self._wall,
                    chance=self._chance,
                    disabled=name in disabled,
                )
                for name, endpoint in self._endpoints.items()
            }
            await self._work()
        finally:
            self._workers = {}
            for poster in self._posters.values():
                await poster.close()
            await self.close()

    async def close(self) -> None:
        """Write what waits, for a moment; it can tell no more."""
        await self._outbox.close(_CLOSE_SECONDS)
        self._records.flush(all_of_it=True)

    async def _disabled(self) -> frozenset[str]:
        """Which endpoints are, by the file; waits until that can be read."""
        while True:
            try:
                await self._outbox.dead(None, 0)
            except Unwritten:
                await asyncio.sleep(COMMIT_SECONDS)
            else:
                return frozenset(name for name, tally in self._outbox.tallies.items() if tally.disabled)

    async def _work(self) -> None:
        tasks = {asyncio.create_task(worker.run(), name=f"webhook-{name}") for name, worker in self._workers.items()}
        upkeep = asyncio.create_task(self._keep_up(), name="webhook-upkeep")
        try:
            done, _ = await asyncio.wait({*tasks, upkeep}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # none ends by itself: what one raises begins all of them anew
        finally:
            upkeep.cancel()
            for worker in self._workers.values():
                worker.finish()
            if tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait(tasks, timeout=LAST_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, upkeep, return_exceptions=True)

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(min(RIPE_SECONDS, PACE_SECONDS))
            self._outbox.ripen()
            self._records.flush()

    # -- the operator --------------------------------------------------------------------------------------------------

    def status(self) -> Mapping[str, object]:
        """What `les status` shows, from memory."""
        endpoints = self.endpoints()
        total = {key: sum(int(each[key]) for each in endpoints) for key in ("queued", "failed")}
        words = [f"{len(endpoints)} endpoint{'' if len(endpoints) == 1 else 's'}", f"{total['queued']} queued"]
        words += [f"{each['name']} {each['state']}" for each in endpoints if each["state"] != "ok"]
        words += [f"{total['failed']} given up"] if total["failed"] else []
        words += [f"cannot write: {self._outbox.trouble}"] if self._outbox.trouble else []
        return {"summary": ", ".join(words), "endpoints": endpoints, "degraded": self._outbox.trouble or None}

    def endpoints(self) -> Sequence[Mapping[str, Any]]:
        """All endpoints, and how each does."""
        tallies, now = self._outbox.tallies, self._wall()
        return [shown(name, tallies.get(name) or Tally(), self._workers.get(name), now) for name in self._endpoints]

    async def failed(self, endpoint: str | None) -> Sequence[Mapping[str, object]]:
        """The newest dead letters, newest last. Raises PluginError."""
        self._check(endpoint, also_gone=True)
        try:
            rows = await self._outbox.dead(endpoint, _MOST_DEAD_SHOWN)
        except Unwritten as error:
            raise PluginError(self._ctx.name, f"cannot read its outbox: {error}") from None
        return [dead_letter(row) for row in rows]

    async def replay(self, *, delivery: str | None, endpoint: str | None, since: float | None) -> Mapping[str, int]:
        """Post dead letters again; returns how many of which endpoint. Raises PluginError."""
        self._check(endpoint)
        try:
            found = await self._outbox.replay(self._endpoints, delivery=delivery, endpoint=endpoint, since=since)
        except Unwritten as error:
            raise PluginError(self._ctx.name, f"cannot write its outbox: {error}") from None
        for name, count in found.items():
            self._records.replayed(name, count)
        for name in {*found, *([endpoint] if endpoint is not None else [])} & self._workers.keys():
            self._workers[name].resume()
        return found

    async def test(self, endpoint: str) -> Mapping[str, object]:
        """Post a sample now, beside the queue; returns what came of it. Raises PluginError."""
        self._check(endpoint)
        if endpoint not in self._posters:
            raise PluginError(self._ctx.name, "does not post yet; see the log")
        event = sample(self._last, self._wall(), random.getrandbits(48))
        answer = await self._posters[endpoint].post(Delivery(id=event.id, event=event, test=True))
        return {
            "endpoint": endpoint,
            "id": event.id,
            "verdict": answer.verdict,
            "status": answer.status,
            "why": answer.why,
            "seconds": round(answer.seconds, 3),
            "request": answer.request,
            "reply": answer.reply,
        }

    def _check(self, endpoint: str | None, *, also_gone: bool = False) -> None:
        known = {*self._endpoints, *(self._outbox.tallies if also_gone else ())}
        if endpoint is not None and endpoint not in known:
            names = ", ".join(sorted(known)) or "none"
            raise PluginError(self._ctx.name, f"has no endpoint {endpoint!r}; it has {names}")


def _target(endpoint: Endpoint) -> str:
    """What tells whether an endpoint leads elsewhere, without saying where: its URL may be a secret."""
    if endpoint.url_file is None:
        text = (endpoint.url or "").encode()
    else:
        try:
            with open(endpoint.url_file, "rb") as file:
                text = file.read(_MOST_FILE_BYTES).strip()
        except OSError:
            text = str(endpoint.url_file).encode()
    return hashlib.sha256(text).hexdigest()
