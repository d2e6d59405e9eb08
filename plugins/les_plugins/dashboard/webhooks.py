"""What waits to be posted, and what could not be. Private to `dashboard`.

It is read from what the plugin `webhook` says of itself: another plugin's words, so nothing is taken for granted.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from les_plugins.dashboard.markup import Markup, cell, heading, table, tag
from les_plugins.dashboard.snapshot import Snapshot
from les_plugins.dashboard.words import Tone, lasting, mark

__all__ = ["undelivered", "webhooks"]

_TONES: Final = {"failing": Tone.WARNS, "disabled": Tone.FAILS}


def webhooks(snapshot: Snapshot) -> Markup | None:
    """The queue of each endpoint; nothing where there is none."""
    found = _endpoints(snapshot)
    if not found:
        return None
    headers = {"endpoint": "", "queued": "number", "oldest": "when", "failed": "number", "last error": "waits"}
    rows = table("Queues of the webhooks", headers, map(_row, found))
    return tag("section", heading("Webhooks", "webhooks"), rows, aria_labelledby="webhooks")


def undelivered(snapshot: Snapshot) -> Iterator[tuple[Tone, str]]:
    """What somebody should look at."""
    degraded = snapshot.plugin("webhook").get("degraded")
    if degraded:
        yield Tone.FAILS, f"Webhooks cannot be queued: {degraded}"
    for each in _endpoints(snapshot):
        if each.get("state") in _TONES:
            yield _TONES[each["state"]], f"The webhook {each.get('name')} is {each['state']}: {_why(each)}"


def _row(each: Mapping[str, Any]) -> Markup:
    oldest, queued = each.get("oldest_seconds"), each.get("queued")
    tone = _TONES.get(str(each.get("state")), Tone.WELL)
    return tag(
        "tr",
        tag("th", mark(tone), each.get("name"), scope="row"),
        cell(queued, class_="number"),
        cell(lasting(oldest) if queued and isinstance(oldest, int | float) else "", class_="when"),
        cell(each.get("failed"), class_="number"),
        cell(f"{each['state']}: {_why(each)}" if tone is not Tone.WELL else "", class_="waits"),
        data_key=each.get("name"),
    )


def _why(each: Mapping[str, Any]) -> str:
    return str(each.get("disabled") or each.get("error") or "no reason is known")


def _endpoints(snapshot: Snapshot) -> Sequence[Mapping[str, Any]]:
    found = snapshot.plugin("webhook").get("endpoints")
    if not isinstance(found, list):
        return ()
    # What is no plain value is not shown: it would be no element of a page.
    plain = str | int | float | None
    return [{k: v for k, v in each.items() if isinstance(v, plain)} for each in found if isinstance(each, Mapping)]
