"""The benchmark: `python -m tests.bench`, or with the name of one part and `--runs N`. It prints and judges nothing.

`handover`, `heal`, `starts`, `loss`, `flood`, `vip` and `etcd` want root, network namespaces and minutes, `security`
wants minutes: they run only when they are named. `vip` compares with keepalived and UCARP, where they are installed:
`apt-get install keepalived ucarp`; `etcd` wants `etcd-server` and `etcd-client`.
"""

import argparse
import asyncio
import platform
from pathlib import Path

from tests.bench import etcd, flips, flood, handover, heal, loss, rest, security, spawn, starts, takeover, vip, webhook
from tests.bench.table import Row, show
from tests.network.secured import Secured

PARTS = ("takeover", "spawn", "rest", "flips", "webhook")
NAMED_PARTS = ("handover", "heal", "starts", "loss", "flood", "security", "vip", "etcd")


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "part", nargs="?", choices=(*PARTS, *NAMED_PARTS, "all"), default="all", help="what to measure (default all)"
    )
    parser.add_argument("--runs", type=int, help="take-overs of each kind (default 20, of an address and with etcd 10)")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="how long clusters rest or are flooded (default 30)"
    )
    parser.add_argument("--calm", type=float, default=6.0, help="how long they settle before (default 6)")
    parser.add_argument(
        "--nodes", type=int, nargs="+", help="sizes of resting clusters (default 3 10 30, with etcd 3 30 100)"
    )
    parser.add_argument("--flips", type=int, default=1000, help="role changes (default 1000)")
    parser.add_argument("--events", type=int, default=10_000, help="events to write and to post (default 10000)")
    parser.add_argument("--quorum", choices=("members", "majority"), default="majority", help="for handover and loss")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds on a slow link, each way (default 0.05)")
    parser.add_argument("--starts", type=int, default=1000, help="starts to count (default 1000)")
    parser.add_argument("--daemons", action="store_true", help="start whole daemons, which takes longer")
    parser.add_argument("--clusters", type=int, default=12, help="clusters that bear the loss (default 12)")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long they do (default 5)")
    parser.add_argument("--percent", type=int, default=5, help="of all packets lost (default 5)")
    settings = [setting.name for setting in vip.SETTINGS]
    parser.add_argument("--peer", action="append", choices=(*vip.FAMILIES, *settings), help="what moves an address")
    parser.add_argument("--fault", action="append", choices=vip.KINDS, help="what happens to who holds an address")
    parser.add_argument(
        "--lanes", type=int, default=1, help="networks with an address, or pairs with etcd, at a time (default 1)"
    )
    parser.add_argument("--json", type=Path, help="write every run of an address to this file as well")
    asked = parser.parse_args()
    asked.runs = asked.runs or (10 if asked.part in ("vip", "etcd") else 20)
    asked.nodes = asked.nodes or ([3, 30, 100] if asked.part == "etcd" else [3, 10, 30])
    if asked.part == "vip":
        vip.main(asked)
        return
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    if asked.part == "flood":
        for how in Secured:
            show(
                f"Flooded for {asked.seconds:g} s from one address: {how}",
                flood.measure(asked.seconds, asked.calm, how),
            )
    elif asked.part == "etcd":
        etcd.main(asked)
    elif asked.part in NAMED_PARTS:
        show(*_named(asked))
    for part in PARTS:
        if asked.part not in (part, "all"):
            continue
        if part == "takeover":
            show("Take-over, three nodes on loopback, default timing", takeover.measure(asked.runs))
        elif part == "spawn":
            asyncio.run(spawn.main(5 * asked.runs))
        elif part == "rest":
            for nodes in asked.nodes:
                show(f"At rest for {asked.seconds:g} s, {nodes} nodes", rest.measure(nodes, asked.seconds, asked.calm))
        elif part == "webhook":
            show(f"{asked.events} events for one endpoint", asyncio.run(webhook.measure(asked.events)))
        else:
            show(f"{asked.flips} role changes with a script of 50 ms", asyncio.run(flips.measure(asked.flips)))


def _named(asked: argparse.Namespace) -> tuple[str, list[Row]]:
    """The title of the part that was asked for, and what it found."""
    if asked.part == "security":
        title = f"Three nodes, open and proven, in turns; at rest for {asked.seconds:g} s"
        return title, security.measure(asked.runs, asked.seconds)
    if asked.part == "handover":
        return f"Hand-over, quorum {asked.quorum}, three hosts", handover.measure(asked.runs, asked.quorum)
    if asked.part == "heal":
        title = f"A partition heals, quorum members, {1000 * asked.delay:g} ms each way"
        return title, heal.measure(asked.runs, asked.delay)
    if asked.part == "starts":
        title = f"Starts, quorum members, {1000 * asked.delay:g} ms each way"
        return title, starts.measure(asked.starts, asked.delay, daemons=asked.daemons)
    title = f"{asked.percent} % loss for {asked.minutes:g} minutes, quorum {asked.quorum}"
    return title, loss.measure(asked.clusters, 60 * asked.minutes, asked.percent, asked.quorum)


if __name__ == "__main__":
    main()
