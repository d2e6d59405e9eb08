"""discord: a format for the plugin `webhook`, which posts events as messages into a channel of Discord.

It posts nothing itself: queue, retries and signatures are those of `webhook`.
"""

import functools
from collections.abc import Mapping
from typing import Annotated

import msgspec

from les_hooks import Context, hookimpl
from les_plugins.webhook.formats import FORMATS, Delivery, Outgoing, in_words

# https://discord.com/developers/docs/resources/webhook#execute-webhook
_MOST_CHARACTERS = 2000


class DiscordConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[plugins.discord]`: under which name messages appear."""

    username: Annotated[str, msgspec.Meta(min_length=1, max_length=80)] = "les-hooks"


@hookimpl
def config_type() -> type[msgspec.Struct]:
    """The keys that the table may have."""
    return DiscordConfig


@hookimpl
def offers(kind: str, ctx: Context) -> Mapping[str, object]:
    """One format, under the name that `format = "..."` of an endpoint takes."""
    return {"discord": functools.partial(_message, ctx.config.username)} if kind == FORMATS else {}


def _message(username: str, delivery: Delivery) -> Outgoing:
    text = ("[test] " if delivery.test else "") + in_words(delivery.event)
    message = {
        "username": username,
        # Of all that a name can hold, only this is markup there.
        "content": text.replace("_", r"\_")[:_MOST_CHARACTERS],
        "allowed_mentions": {"parse": []},
    }
    return Outgoing(body=msgspec.json.encode(message), content_type="application/json")
