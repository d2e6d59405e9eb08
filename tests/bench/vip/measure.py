"""Does the runs: every setting in turn, and again, each on a network of its own."""

import contextlib
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.bench.vip.settings import Setting
from tests.bench.vip.systems import System
from tests.network.lan import Host, Lan
from tests.network.strikes import Found, Kind, observe, signal_all
from tests.network.watch import Watch

__all__ = ["Asked", "Run", "measure"]

_WHOLE_SECONDS = 45.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be measured; `lanes` runs at a time."""

    settings: Sequence[Setting]
    kinds: Sequence[Kind]
    runs: int
    lanes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One fault of one setting: what was found of each address, or why nothing was.

    `late_seconds`: the longest time for which nobody looked who holds the addresses.
    """

    number: int
    setting: str
    kind: Kind
    found: Sequence[Found] = ()
    late_seconds: float = 0.0
    fault: str = ""


def measure(asked: Asked) -> list[Run]:
    """All runs; a Ctrl-C or SIGTERM ends what is under way, removes every network, and leaves what was found before."""
    # Even where it runs in the background, and a Ctrl-C would be ignored.
    before = {each: signal.signal(each, signal.default_int_handler) for each in (signal.SIGINT, signal.SIGTERM)}
    stop = threading.Event()
    done: list[Run] = []
    pool = ThreadPoolExecutor(asked.lanes)
    try:
        jobs: list[Future[list[Run]]] = [
            pool.submit(_job, number, setting, asked.kinds, stop)
            for number in range(1, asked.runs + 1)
            for setting in asked.settings
        ]
        for count, job in enumerate(as_completed(jobs), 1):
            done += job.result()
            print(f"\r{count} of {len(jobs)} ", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("ends early", end="", file=sys.stderr, flush=True)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        for each, handler in before.items():
            signal.signal(each, handler)
        print(file=sys.stderr)
    return done


class _StoppedError(Exception):
    """Somebody wants it to end."""


def _job(number: int, setting: Setting, kinds: Sequence[Kind], stop: threading.Event) -> list[Run]:
    """Every fault once, on a network of its own, one after another."""
    runs: list[Run] = []
    dice = random.Random(number)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="les-vip-", ignore_cleanup_errors=True)))
        lan = stack.enter_context(Lan(3, both=True, clients=1))
        system = setting.make(folder / "system", lan)
        stack.callback(system.close)
        for kind in kinds:
            try:
                found, late = _fault(kind, lan, system, folder / kind.name, stop, dice.random())
            except _StoppedError:
                return runs
            except (AssertionError, OSError) as error:
                runs.append(Run(number=number, setting=setting.name, kind=kind, fault=str(error)))
            else:
                runs.append(Run(number=number, setting=setting.name, kind=kind, found=found, late_seconds=late))
    return runs


def _fault(
    kind: Kind, lan: Lan, system: System, folder: Path, stop: threading.Event, later_seconds: float
) -> tuple[Sequence[Found], float]:
    lan.mend()
    for host in lan.hosts:
        if host.namespace not in lan.booted:
            host.boot()
        host.plug()
        signal_all(host, signal.SIGCONT)
    system.start()
    watch = Watch(folder, lan.hosts, lan.clients[0], system.addresses)
    with watch:
        holder = _whole(lan, system, watch, stop)
        # Faults keep no time with the heartbeats.
        time.sleep(later_seconds)
        found = observe(kind, lan, holder, system.main(holder), watch)
    return found, watch.looks()[1]


def _whole(lan: Lan, system: System, watch: Watch, stop: threading.Event) -> Host:
    """Wait until one host holds all addresses, has done so for a while, and the client is answered; return it."""
    deadline = time.monotonic() + _WHOLE_SECONDS
    while (now := time.monotonic()) < deadline:
        if stop.wait(_LOOK_SECONDS):
            raise _StoppedError
        last = [watch.holdings(address)[-1] for address in watch.addresses]
        calm = all(len(each.hosts) == 1 and now > each.at + system.calm_seconds for each in last)
        heard = calm and all(watch.answers(each).hole(now - 0.5, now) < 0.1 for each in watch.addresses)
        if heard and len({each.hosts for each in last}) == 1 and system.ready():
            (number,) = last[0].hosts
            return lan.hosts[number - 1]
    held = {address: sorted(watch.holders(address)) for address in watch.addresses}
    raise AssertionError(f"not one holder within {_WHOLE_SECONDS:g} s: {held}")
