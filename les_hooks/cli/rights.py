"""Whether the daemon may do what its plugins need, under systemd or as this user. For `les check`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from les_hooks.cli.inspection import Finding
from les_hooks.config import Config
from les_hooks.daemon.confined import KEY, confinement_of
from les_hooks.errors import StartError
from les_hooks.processes import NEEDS, try_out
from les_hooks.processes.rights import PROC_SYS, is_capability, is_family, lacking
from les_hooks.starter import needs_of, unit_lines

__all__ = ["rights_findings"]

UNIT: Final = Path("/etc/systemd/system/les.service")
"""Where `les init` has people put the unit."""

_ROOT: Final = frozenset({"", "0", "root"})
_YES: Final = frozenset({"1", "yes", "y", "true", "t", "on"})


def rights_findings(config: Config, unit: Path = UNIT) -> Iterator[Finding]:
    """What plugins need and do not get: from the unit, if it is this node's, and else as a process of this user."""
    lines = _lines(unit)
    ours = config.source is not None and any(
        key.startswith("Exec") and str(config.source.absolute()) in value for key, value in lines
    )
    yield from _confinement(config, unit, lines if ours else None)
    for name in config.wanted:
        needs = needs_of(config.plugins[name].config)
        missing = _withheld(needs, lines) if ours else lacking(needs)
        if not missing:
            continue
        advice = "; ".join(unit_lines(missing))
        if ours:
            message = (
                f"{unit} keeps from it: {', '.join(missing)}. Add below [Service], by `systemctl edit les`: {advice}"
            )
        else:
            message = f"this process lacks {', '.join(missing)}; in the unit of a daemon that is not root: {advice}"
        yield Finding(area="plugins", what=name, message=message)


def _confinement(config: Config, unit: Path, lines: Sequence[tuple[str, str]] | None) -> Iterator[Finding]:
    """What `[hooks] user` needs and does not get: from the unit whose `lines` these are, or as a process like this."""
    try:
        confinement = confinement_of(config)
        if confinement is not None and lines is None:
            try_out(confinement, KEY)
    except StartError as error:
        yield Finding(area="plugins", what=error.what, message=f"{error.why}; {error.advice}")
        return
    if confinement is not None and lines is not None and (missing := _withheld(NEEDS, lines)):
        message = f"{unit} keeps {', '.join(missing)} from it; `les init --root-scripts` writes one that does not"
        yield Finding(area="plugins", what=f"{KEY} {confinement.user}", message=message)


def _lines(unit: Path) -> list[tuple[str, str]]:
    """Keys and values of the unit and its drop-ins, in their order; none where it cannot be read."""
    found: list[tuple[str, str]] = []
    for file in (unit, *sorted(unit.with_name(f"{unit.name}.d").glob("*.conf"))):
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in text.replace("\\\n", " ").splitlines():
            key, is_setting, value = line.partition("=")
            if is_setting and not line.startswith(("#", ";")):
                found.append((key.strip(), value.strip()))
    return found


def _withheld(needs: Sequence[str], lines: Sequence[tuple[str, str]]) -> list[str]:
    """Which of the needs the unit does not grant."""
    last = dict(lines)
    root = last.get("DynamicUser", "").lower() not in _YES and last.get("User", "") in _ROOT
    apart = last.get("PrivateUsers", "").lower() in _YES
    values: dict[str, list[str]] = {}
    for key, value in lines:
        values.setdefault(key, []).append(value)

    def granted(need: str) -> bool:
        if is_capability(need):
            kept = _has(values.get("CapabilityBoundingSet", []), need, unset=True, empty=False)
            given = root or _has(values.get("AmbientCapabilities", []), need, unset=False, empty=False)
            return kept and given and not apart
        if is_family(need):
            return _has(values.get("RestrictAddressFamilies", []), need, unset=True, empty=True)
        return need != PROC_SYS or last.get("ProcSubset", "") != "pid"

    return [need for need in needs if not granted(need)]


def _has(values: Sequence[str], word: str, *, unset: bool, empty: bool) -> bool:
    """Whether the lists of systemd hold the word: lines add up, `~` takes away, and an empty one begins anew."""
    held: bool | None = None
    for value in values:
        listed = word in value.removeprefix("~").split()
        if not value:
            held = None if empty else False
        elif value.startswith("~"):
            held = (True if held is None else held) and not listed
        else:
            held = bool(held) or listed
    return unset if held is None else held
