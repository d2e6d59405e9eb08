"""Real daemons on the hosts of a network, with scripts that write what they do and when; whatever their backend."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from tests.cluster import Daemon, until
from tests.network.lan import Host, Lan
from tests.network.story import Line, overlap_seconds, parse, scripts

__all__ = ["HostDaemon", "Troupe"]


class HostDaemon(Daemon):
    """A node on a host of the network, with this text in its `les.toml`. Without a story it runs no scripts."""

    def __init__(self, folder: Path, host: Host, text: str, story: Path | None, *, stubborn: bool = False) -> None:
        super().__init__(folder, 4000, ())
        self.host = host
        self.address = host.address
        self.inside = host.inside
        self._read = 0
        self.config.write_text(text, encoding="utf-8")
        for event, script in scripts(story, stubborn=stubborn).items() if story else ():
            self.script(event, "10-tell", script)

    def lose(self) -> None:
        """Cut the mains of its host."""
        self.host.lose()
        self.ended()

    def boot(self) -> None:
        """Switch the host on again, the daemon too."""
        self.host.boot()
        self.start()

    def records(self) -> list[dict[str, Any]]:
        """The whole audit."""
        text = (self.folder / "state" / "audit.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def recent(self) -> list[dict[str, Any]]:
        """The audit since `mark`."""
        return self.records()[self._read :]

    def mark(self) -> None:
        """Let `recent` and `news` begin here."""
        self._read = len(self.records())

    def leaderships(self) -> list[str]:
        """What the audit says of its own leadership since its last start, the clearing up at the start left out."""
        records = self.records()
        return [
            record["action"]
            for record in records
            if record["action"] in ("leader.elected", "leader.demoted")
            and record["boot"] == records[-1]["boot"]
            and record["reason"] != "startup"
        ]

    def news(self) -> list[str]:
        """What the audit says of leadership and members since `mark`: action, member, reason."""
        return [
            f"{record['action']} {record['member'] or '-'} {record['reason']}"
            for record in self.recent()
            if record["action"].startswith(("leader.", "member."))
        ]

    def hears(self, news: str) -> None:
        """Wait until the audit says something since `mark` that begins so, see `news`."""
        try:
            until(lambda: any(text.startswith(news) for text in self.news()), f"{self.name} hears {news!r}")
        except AssertionError as error:
            error.add_note(f"it has heard {self.news()}")
            raise


_Node = TypeVar("_Node", bound=HostDaemon)


class Troupe(Generic[_Node]):
    """Daemons on the hosts of a network; `story` is what their scripts wrote, all into one file."""

    def __init__(self, lan: Lan, daemons: Sequence[_Node], story: Path) -> None:
        self.lan = lan
        self.daemons = list(daemons)
        self._story = story
        self._begin = 0

    def start(self) -> None:
        """Start all that do not run, without waiting for anything."""
        for daemon in self.daemons:
            if daemon.host.namespace not in self.lan.booted:
                daemon.host.boot()
            if not daemon.running:
                daemon.start()

    def restore(self) -> None:
        """Mend the network, start all that do not run, and wake all that were stopped."""
        self.lan.mend()
        self.start()
        for daemon in self.daemons:
            daemon.host.plug()
            daemon.signal(signal.SIGCONT)

    def mark(self) -> None:
        """Let `story`, and each node's `recent` and `news`, begin here."""
        for daemon in self.daemons:
            daemon.mark()
        self._begin = self._story.stat().st_size if self._story.exists() else 0

    def followers(self, leader: _Node) -> list[_Node]:
        """All others."""
        return [daemon for daemon in self.daemons if daemon is not leader]

    def agreed(self, *daemons: _Node, direct: bool = True) -> _Node:
        """Wait until these know each other and nobody else, and accept one leader that acts; return it."""

        def look() -> _Node | None:
            statuses = [daemon.status() for daemon in daemons]
            leaders = {status.get("leader") for status in statuses}
            acting = [daemon for daemon, status in zip(daemons, statuses, strict=True) if status.get("is_me")]
            complete = all(
                {member["address"] for member in status.get("members", ())} == {each.address for each in daemons}
                and (not direct or all(member["direct"] for member in status["members"]))
                for status in statuses
            )
            return acting[0] if complete and len(acting) == 1 and leaders == {acting[0].address} else None

        return until(look, f"one leader for {', '.join(daemon.name for daemon in daemons)}")

    def story(self, *, everything: bool = False) -> list[Line]:
        """What the scripts have written since the cluster was whole, or ever."""
        return parse(self._story, 0 if everything else self._begin)

    def told(self, daemon: _Node, word: str) -> Line:
        """Wait until a script of the node has written the word, and return that line, the last one of several."""

        def look() -> Line | None:
            lines = [line for line in self.story() if (line.node, line.word) == (daemon.name, word)]
            return lines[-1] if lines else None

        return until(look, f"a script of {daemon.name} says {word!r}")

    def succeeded(self, *daemons: _Node) -> tuple[_Node, float]:
        """Who leads these now, and when its elected script began; its work has begun, too."""
        successor = self.agreed(*daemons)
        self.told(successor, "works")
        return successor, self.told(successor, "elected").at

    def worked_last(self, daemon: _Node) -> float:
        """When its work last said that it runs."""
        return max(line.at for line in self.story() if (line.node, line.word) == (daemon.name, "works"))

    def overlap(self) -> float:
        """The longest time for which while-leader scripts of two nodes ran side by side, seconds."""
        return overlap_seconds(self.story())

    def close(self) -> None:
        """End all daemons politely; the network ends whoever does not."""
        for daemon in self.daemons:
            if daemon.running:
                daemon.signal(signal.SIGCONT)
                daemon.signal(signal.SIGTERM)
        for daemon in self.daemons:
            if daemon.running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    daemon.ended()
