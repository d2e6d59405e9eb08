"""The endpoints: which one is asked first, and how each does. No I/O; private to `etcd`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Endpoints"]


@dataclass(slots=True)
class _Endpoint:
    url: str
    failing_since: float | None = None
    error: str | None = None
    version: str | None = None
    cluster_id: int | None = None


class Endpoints:
    """Tried in turn, beginning with the one that worked last.

    `clock` counts on while the host sleeps, in seconds; `wall` is Unix time, to tell people.
    """

    def __init__(self, urls: Sequence[str], *, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._endpoints = {url: _Endpoint(url) for url in urls}
        self._used = urls[0]
        self._cluster_id: int | None = None
        self._clock = clock
        self._wall = wall

    def turn(self) -> tuple[str, ...]:
        """All of them, in the order in which one call tries them.

        Behind the one in use those of which nothing bad is known, so that a second failure does not wait for the first.
        """
        urls = list(self._endpoints)
        here = urls.index(self._used)
        others = urls[here + 1 :] + urls[:here]
        return (self._used, *sorted(others, key=lambda url: self._endpoints[url].failing_since is not None))

    def worked(self, url: str) -> None:
        """It answered: it is the one that is used."""
        endpoint = self._endpoints[url]
        endpoint.failing_since = endpoint.error = None
        self._used = url

    def failed(self, url: str, why: str) -> None:
        """It did not do what it was asked, and this is why."""
        endpoint = self._endpoints[url]
        endpoint.error = why
        endpoint.version = None  # it may come back as another
        if endpoint.failing_since is None:
            endpoint.failing_since = self._clock()

    def belongs(self, url: str, cluster_id: int) -> bool:
        """Whether it is of the same etcd as the others: of two that know nothing of each other, each has its leader.

        The first one that answers says which etcd it is, until all have gone over to another one: it was made anew.
        """
        self._endpoints[url].cluster_id = cluster_id
        if self._cluster_id is None or {each.cluster_id for each in self._endpoints.values()} == {cluster_id}:
            self._cluster_id = cluster_id
        return cluster_id == self._cluster_id

    def version(self, url: str) -> str | None:
        """Of etcd there: None until somebody has asked, empty where it did not say."""
        return self._endpoints[url].version

    def told_version(self, url: str, version: str) -> None:
        """It was asked, and said so."""
        self._endpoints[url].version = version

    def status(self) -> list[dict[str, object]]:
        """How each does, as plain JSON values: `failing_since` in Unix seconds."""
        return [
            {
                "endpoint": each.url,
                "used": each.url == self._used,
                "failing_since": self._at(each.failing_since),
                "error": each.error,
                "version": each.version or None,
            }
            for each in self._endpoints.values()
        ]

    def _at(self, instant: float | None) -> float | None:
        # Reckoned back from now, so that a clock that was set meanwhile does not show.
        return None if instant is None else self._wall() - (self._clock() - instant)
