"""The whole page as HTML, from a snapshot. Pure; private to `dashboard`."""

from typing import Final

from les_hooks import EventKind
from les_plugins.dashboard.activity import events, hooks
from les_plugins.dashboard.health import attention, facts, plugins
from les_plugins.dashboard.hero import headline, hero
from les_plugins.dashboard.links import links
from les_plugins.dashboard.markup import Markup, tag
from les_plugins.dashboard.snapshot import Snapshot
from les_plugins.dashboard.succession import succession
from les_plugins.dashboard.timeline import timeline
from les_plugins.dashboard.webhooks import webhooks
from les_plugins.dashboard.words import clock, moment, zone

__all__ = ["render"]

# What the script listens for; not everything that happens has an event, so it looks now and then as well.
_KINDS: Final = " ".join(kind for kind in EventKind if kind is not EventKind.WHILE_LEADER)


def render(snapshot: Snapshot, version: str) -> str:
    """The page. `version` is that of the script and the style, so that a browser takes new ones after an upgrade."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", f"{headline(snapshot)} · {snapshot.status['cluster']}"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", type="image/svg+xml", href=f"/dashboard.svg?{version}"),
        tag("link", rel="stylesheet", href=f"/dashboard.css?{version}"),
        tag("script", src=f"/dashboard.js?{version}", defer=True),
    )
    body = tag(
        "body",
        tag("a", "Skip to who leads", href="#main", class_="skip"),
        tag("p", id="lost", role="alert", hidden=True),
        _header(snapshot),
        _main(snapshot),
        _footer(snapshot),
        data_kinds=_KINDS,
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en', data_version=version)}\n"


def _locked(snapshot: Snapshot) -> object:
    """Whether who looks has logged in."""
    return (snapshot.status.get("http") or {}).get("token")


def _header(snapshot: Snapshot) -> Markup:
    status = snapshot.status
    where = tag(
        "p",
        tag("span", "les-hooks", class_="brand"),
        tag("span", "cluster ", tag("bdi", status["cluster"])),
        tag("span", "node ", tag("bdi", status["node"]["name"])),
        class_="where",
    )
    as_of = tag(
        "p",
        "as of ",
        tag("time", clock(snapshot.now), id="as-of"),
        tag("span", id="live"),
        tag("noscript", ". ", tag("a", "Look again", href="/")),
        class_="fresh",
    )
    return tag("header", where, as_of)


def _main(snapshot: Snapshot) -> Markup:
    return tag(
        "main",
        hero(snapshot),
        attention(snapshot),
        succession(snapshot),
        "links" in snapshot.status["backend"] and links(snapshot),
        timeline(snapshot),
        events(snapshot),
        hooks(snapshot),
        webhooks(snapshot),
        plugins(snapshot),
        facts(snapshot),
        id="main",
        tabindex=-1,
    )


def _footer(snapshot: Snapshot) -> Markup:
    node = snapshot.status["node"]
    return tag(
        "footer",
        tag(
            "p", "Times are those of this node (", zone(), "). It started ", moment(node["started"], snapshot.now), "."
        ),
        tag(
            "p",
            "The same as JSON: ",
            tag("a", "status", href="/api/v1/status"),
            " and ",
            tag("a", "history", href="/api/v1/history"),
            ".",
        ),
        bool(_locked(snapshot))
        and tag("form", tag("button", "Log out"), method="post", action="/logout", data_key="logout"),
    )
