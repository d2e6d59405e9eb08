"""How this node is: what needs attention, its facts and plugins. Private to `dashboard`."""

from collections.abc import Iterator, Mapping
from typing import Any

from les_plugins.dashboard.activity import failures
from les_plugins.dashboard.markup import Child, Markup, cell, heading, table, tag
from les_plugins.dashboard.snapshot import Snapshot
from les_plugins.dashboard.webhooks import undelivered
from les_plugins.dashboard.words import Tone, lasting, mark, moment

__all__ = ["attention", "facts", "plugins"]


def attention(snapshot: Snapshot) -> Markup:
    """What somebody should look at, in one line each."""
    found = list(_troubles(snapshot))
    items = [tag("li", mark(tone), tag("span", words), data_key=words) for tone, words in found]
    calm = tag("p", mark(Tone.WELL), "Nothing needs attention.", class_="calm")
    return tag(
        "section",
        tag("ul", items) if found else calm,
        aria_label="what needs attention",
        class_="attention" if found else "attention none",
    )


def _troubles(snapshot: Snapshot) -> Iterator[tuple[Tone, str]]:
    status = snapshot.status
    node, audit, upkeep = status["node"], status["audit"], status["maintenance"]
    if node["stopping"]:
        yield Tone.WARNS, "This node is about to stop."
    if upkeep["on"]:
        note = f": {upkeep['note']}" if upkeep["note"] else ""
        yield Tone.WARNS, f"This node is in maintenance for another {lasting(upkeep['left'])}{note}"
    own = next((each for each in status["members"] if each["address"] == snapshot.own), None)
    if own is not None and not own["fit"] and not upkeep["on"]:
        yield Tone.WARNS, f"This node is unfit: {own['unfit'] or 'no reason is known'}"
    if audit["degraded"]:
        lost = f"; {audit['dropped']} records lost" if audit["dropped"] else ""
        yield Tone.FAILS, f"The audit trail is degraded: {audit['degraded']}{lost}"
    if not status["guard"] and node["part"] != "witness":
        yield Tone.FAILS, "The guard does not run: a crash of this node would leave the leader's work running."
    yield from ((Tone.WARNS, text) for text in status["warnings"])
    for plugin in status["plugins"]:
        if plugin["state"] == "failed":
            yield Tone.FAILS, f"The plugin {plugin['name']} cannot be used: {plugin['why']}"
    failed = failures(snapshot)
    if failed:
        yield Tone.FAILS, f"The last call of these hooks failed: {', '.join(failed)}"
    yield from undelivered(snapshot)


def facts(snapshot: Snapshot) -> Markup:
    """The node itself."""
    shown = [tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(snapshot) if value]
    body = tag("dl", shown, class_="facts")
    return tag("section", heading("This node", "node"), body, aria_labelledby="node", class_="half")


def _facts(snapshot: Snapshot) -> Iterator[tuple[str, Child]]:
    status = snapshot.status
    node, audit, config = status["node"], status["audit"], status["config"]
    own = next((each for each in status["members"] if each["address"] == snapshot.own), None)
    waiting = [f"{count} on the {lane} lane" for lane, count in status["lanes"].items() if count]
    fit = "not known yet" if own is None else "fit to lead" if own["fit"] else f"unfit: {own['unfit']}"
    upkeep = status["maintenance"]
    yield "name", f"{node['name']}, cluster {status['cluster']}"
    yield "address", node["address"]
    yield "fitness", fit
    yield "maintenance", ["until ", moment(upkeep["until"], snapshot.now)] if upkeep["on"] else "off"
    yield "up", f"{lasting(node['uptime'])}, pid {node['pid']}"
    yield "guard", f"pid {status['guard']}" if status["guard"] else "does not run"
    yield "backend", status["backend"].get("summary", "")
    yield "events waiting", ", ".join(waiting) or "none"
    yield "audit", [f"record {audit['seq']}", tag("small", audit["degraded"] or audit["path"])]
    yield "security", status["security"]["summary"]
    yield (
        "configuration",
        ["read at ", moment(config["loaded"], snapshot.now), tag("small", config["source"] or "flags")],
    )
    yield "state", status["state_dir"]
    yield "version", node["version"]


def plugins(snapshot: Snapshot) -> Markup:
    """The plugins that are loaded or wanted, each with its own words."""
    shown = [each for each in snapshot.status["plugins"] if each["state"] != "available"]
    rows = (_plugin(each) for each in shown)
    return tag(
        "section",
        heading("Plugins", "plugins"),
        table("Plugins of this node", {"plugin": "", "state": "", "says": "waits"}, rows),
        aria_labelledby="plugins",
        class_="half",
    )


def _plugin(each: Mapping[str, Any]) -> Markup:
    failed = each["state"] == "failed"
    said = each.get("status")
    summary = said.get("summary") if isinstance(said, Mapping) else None
    return tag(
        "tr",
        tag("th", each["name"], scope="row"),
        cell(mark(Tone.FAILS if failed else Tone.WELL), each["state"]),
        cell(each["why"] or each.get("status_error") or (summary if isinstance(summary, str) else ""), class_="waits"),
        data_key=each["name"],
        class_="failed" if failed else None,
    )
