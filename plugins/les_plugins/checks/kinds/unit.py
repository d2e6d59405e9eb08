"""Whether a unit of systemd is active. Private to `checks`."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from les_hooks import Command, Context
from les_hooks.processes import Ending

__all__ = ["BUSES", "ask_systemd", "no_bus", "no_systemctl"]

BUSES = (Path("/run/systemd/private"), Path("/run/dbus/system_bus_socket"))
"""Where systemctl asks systemd: root by itself, others over the system bus."""


def no_systemctl(path: str) -> str:
    """Say that there is none; empty where there is."""
    return "" if shutil.which("systemctl", path=path) else "there is no systemctl here, so no unit can be looked at"


def no_bus(buses: Sequence[Path] = BUSES) -> str:
    """Say that nobody answers systemctl at present, as in a container; empty where somebody may."""
    answers = any(bus.exists() for bus in buses)
    return "" if answers else "systemd does not run here, so no unit can be looked at"


async def ask_systemd(unit: str, ctx: Context, path: str, timeout: float) -> str:
    """Ask `systemctl is-active`, which is found in the PATH `path`."""
    program = shutil.which("systemctl", path=path)
    if program is None:
        return no_systemctl(path)
    said: dict[str, str] = {}
    finished = await ctx.run(
        Command(
            argv=(program, "is-active", "--", unit),
            env={"PATH": path, "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0"},
            timeout=timeout,
            grace=0.5,
            on_line=said.__setitem__,
        )
    )
    match finished.ending:
        case Ending.SUCCESS:
            return ""
        case Ending.TIMEOUT:
            return f"systemctl did not answer within {timeout:g} s"
        case Ending.UNSTARTED:
            return finished.error
        case _ if "stdout" in said:
            return f"is {said['stdout']}"
        case _:
            return said.get("stderr", f"systemctl exited with {finished.exit_code}")
