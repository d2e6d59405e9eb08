"""les-hooks as a library: be a member of the cluster, follow what happens, and do something while leading.

python examples/library.py les.toml
"""

import asyncio
import sys

from les_hooks import Node, load_config


async def lead(node: Node) -> None:
    """Wait for leadership; then act for as long as there is authority to."""
    await node.wait_elected()
    while node.is_leader:
        print("leading", flush=True)
        await asyncio.sleep(1)


async def main(path: str) -> None:
    async with Node(load_config(path)) as node:
        leading = asyncio.create_task(lead(node))
        try:
            async for event in node.events():
                print(event.kind, event.leader, event.reason, flush=True)
        finally:
            leading.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
