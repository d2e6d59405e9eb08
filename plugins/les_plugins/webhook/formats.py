"""Formats: what a delivery looks like for a kind of receiver. Authors of formats import what is named here.

A plugin offers formats by the hook `offers`, under the kind FORMATS: functions that make an `Outgoing` of a `Delivery`,
by the names that `format = "..."` takes. The bundled ones are there without it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from les_hooks import Context, PluginError
from les_hooks.text import error_words
from les_plugins.webhook.contract import Delivery, Outgoing
from les_plugins.webhook.wording import in_words

__all__ = ["BUNDLED", "FORMATS", "Delivery", "Format", "Outgoing", "find_format", "in_words"]

FORMATS = "webhook.format"
"""The kind of offer."""

Format = Callable[[Delivery], Outgoing]
"""Called anew at each attempt, in a thread: it makes the same of the same delivery, and is given up after `timeout`."""


def find_format(name: str, ctx: Context) -> Format:
    """Find a format by its name. Raises ValueError with the known ones where there is no such."""
    # Before the others are asked: a plugin whose hook is broken stops nothing but its own formats.
    if name in BUNDLED:
        return BUNDLED[name]
    try:
        offered = ctx.offers(FORMATS)
    except PluginError as error:
        raise ValueError(f"the format {name!r} cannot be had: {error_words(error)}") from None
    found = offered.get(name)
    if found is None:
        raise ValueError(f"there is no format {name!r}; there are {', '.join(sorted({*BUNDLED, *offered}))}")
    if not callable(found):
        raise ValueError(f"the format {name!r} is no function, but {type(found).__name__}")
    return found  # what it returns is looked at when it is called


def cloudevents(delivery: Delivery) -> Outgoing:
    """CloudEvents 1.0 in the structured mode of JSON: https://github.com/cloudevents/spec."""
    event = delivery.event
    document = {
        "specversion": "1.0",
        "id": delivery.id,
        "source": f"/les/{event.cluster}/{event.name}",
        # Of a kind of its own: who goes by the type alone must not act on a sample.
        "type": "io.les.test.v1" if delivery.test else f"io.les.{event.kind}.v1",
        "time": datetime.fromtimestamp(event.time, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "subject": event.member or event.node,
        "datacontenttype": "application/json",
        # The extension wants a string that sorts as the numbers do: twenty digits, as 64 bits have.
        "sequence": f"{event.seq:020}",
        "data": event,
    }
    if delivery.test:
        document["test"] = True
    return Outgoing(body=msgspec.json.encode(document), content_type="application/cloudevents+json; charset=utf-8")


def slack(delivery: Delivery) -> Outgoing:
    """An incoming webhook of Slack, and of those who took over its form (Mattermost, Rocket.Chat)."""
    text = ("[test] " if delivery.test else "") + in_words(delivery.event)
    for char, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(char, escaped)
    # A name such as _a_ is no markup.
    return Outgoing(body=msgspec.json.encode({"text": text, "mrkdwn": False}), content_type="application/json")


BUNDLED: Mapping[str, Format] = {"cloudevents": cloudevents, "slack": slack}
"""Those that are always there; nobody else's takes their place."""
