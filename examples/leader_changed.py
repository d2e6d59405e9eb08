"""The original's `leader_changed(leader)`: called with the address of whoever leads now, or None.

python examples/leader_changed.py les.toml
"""

import asyncio
import sys
from collections.abc import Callable

from les_hooks import EventKind, Node, load_config


async def follow(path: str, leader_changed: Callable[[str | None], None]) -> None:
    async with Node(load_config(path)) as node:
        async for event in node.events():
            if event.kind is EventKind.LEADER_CHANGED:
                leader_changed(event.leader)


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], lambda leader: print(leader, flush=True)))
