"""Whether the daemon may do what it and its plugins need, under systemd or as this user. For `les check`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from les_hooks.cli.access import access_findings
from les_hooks.cli.inspection import Finding
from les_hooks.config import Config
from les_hooks.daemon.confined import KEY, confinement_of
from les_hooks.errors import StartError
from les_hooks.processes import NEEDS, try_out
from les_hooks.processes.rights import lacking
from les_hooks.starter import InstalledUnit, needs_of, unit_lines

__all__ = ["rights_findings", "unit_of"]

UNIT: Final = Path("/etc/systemd/system/les.service")
"""Where `les init` has people put the unit."""


def unit_of(config: Config, path: Path = UNIT) -> InstalledUnit | None:
    """The unit, if it is this node's."""
    found = InstalledUnit(path)
    return found if found.runs(config.source) else None


def rights_findings(config: Config, path: Path = UNIT) -> Iterator[Finding]:
    """What a node needs and does not get: from the unit, if it is this node's, and else as a process of this user."""
    unit = unit_of(config, path)
    yield from _confinement(config, unit)
    yield from _plugins(config, unit)
    yield from access_findings(config, unit)


def _plugins(config: Config, unit: InstalledUnit | None) -> Iterator[Finding]:
    """What plugins need."""
    for name in config.wanted:
        needs = needs_of(config.plugins[name].config)
        missing = lacking(needs) if unit is None else unit.withheld(needs)
        if not missing:
            continue
        advice = "; ".join(unit_lines(missing))
        if unit is not None:
            message = (
                f"{unit.path} keeps from it: {', '.join(missing)}. Add below [Service], by `systemctl edit les`: "
                f"{advice}"
            )
        else:
            message = f"this process lacks {', '.join(missing)}; in the unit of a daemon that is not root: {advice}"
        yield Finding(area="plugins", what=name, message=message)


def _confinement(config: Config, unit: InstalledUnit | None) -> Iterator[Finding]:
    """What `[hooks] user` needs."""
    try:
        confinement = confinement_of(config)
        if confinement is not None and unit is None:
            try_out(confinement, KEY)
    except StartError as error:
        yield Finding(area="plugins", what=error.what, message=f"{error.why}; {error.advice}")
        return
    if confinement is not None and unit is not None and (missing := unit.withheld(NEEDS)):
        message = f"{unit.path} keeps {', '.join(missing)} from it; `les init --root-scripts` writes one that does not"
        yield Finding(area="plugins", what=f"{KEY} {confinement.user}", message=message)
