"""The answer to a scrape: what was counted, and what the node says of itself at this moment. For `metrics` only."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from structlog.typing import FilteringBoundLogger

from les_hooks import NodeReport
from les_hooks.text import error_words
from les_plugins.metrics.counts import Counts
from les_plugins.metrics.gauges import availability, families
from les_plugins.metrics.told import read

__all__ = ["PATH", "Page"]

PATH: Final = "/metrics"

# Prometheus waits for 10 s unless it is told otherwise; plugins whose `status` hangs must not cost all the rest.
_STATUS_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Scrape(Collector):
    families: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        """All of one answer."""
        return self.families


def _format(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is none
        return choose_encoder("")
    # It repeats the version, which is the asker's word.
    return (encode, content_type) if content_type.isascii() else choose_encoder("")


class Page:
    """Answers scrapes of one node; `log` hears when its status cannot be had, and when it can again."""

    def __init__(
        self, node: NodeReport, counts: Counts, log: FilteringBoundLogger, *, patience: float = _STATUS_SECONDS
    ) -> None:
        self._node = node
        self._counts = counts
        self._log = log
        self._patience = patience
        self._trouble = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Tell all numbers, in the format that is wanted: of OpenMetrics or of Prometheus."""
        state = await self._state()
        encode, content_type = _format(request.headers.get("Accept", ""))
        # In a thread: a thousand lines take some 30 ms, and heartbeats must not wait for them.
        body = await asyncio.to_thread(lambda: encode(_Scrape([*state, *self._counts.collect()])))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _state(self) -> list[Metric]:
        """What the node says of itself; where it says nothing, that."""
        try:
            async with asyncio.timeout(self._patience):
                told = read(await self._node.status())
            found = [availability(True), *families(told)]
        except TimeoutError:
            trouble = f"no answer within {self._patience:g} s"
        except msgspec.ValidationError as error:
            trouble = f"not as expected: {error}"
        except Exception as error:  # whatever it is: what was counted is to be told all the same
            trouble = error_words(error)
        else:
            for plugin in told.plugins:
                self._counts.expect(plugin.name, plugin.hooks)
            self._note("")
            return found
        self._note(trouble)
        return [availability(False)]

    def _note(self, trouble: str) -> None:
        """Log what is new."""
        before, self._trouble = self._trouble, trouble
        if trouble and trouble != before:
            self._log.warning("status-unavailable", reason=trouble)
        elif before and not trouble:
            self._log.info("status-available")
