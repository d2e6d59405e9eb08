"""A reader of Server-Sent Events, as a browser has one. For the tests of this folder."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import aiohttp

__all__ = ["Sent", "read"]


@dataclass(frozen=True)
class Sent:
    """One block as it came: `kind` is "message" where none was named; `id` the last that was."""

    kind: str
    data: Any
    id: str
    comment: str = ""


async def read(response: aiohttp.ClientResponse) -> AsyncGenerator[Sent, None]:
    """Yield what is sent until it ends; comments too, and blocks without data."""
    number, fields, comment = "", {}, ""
    async for line in response.content:
        text = line.decode().removesuffix("\n")
        if text.startswith(":"):
            comment = text[1:].strip()
        elif text:
            name, _, value = text.partition(": ")
            fields[name] = value
        else:
            number = fields.get("id", number)
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Sent(fields.get("event", "message"), data, number, comment)
            fields, comment = {}, ""
