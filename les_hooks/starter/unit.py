"""The systemd unit, tight or relaxed, from the table of what is forbidden. For this package.

`docs/systemd.md` explains it; a test compares.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from les_hooks.processes.rights import PROC_SYS, is_capability, is_family
from les_hooks.starter.hardening import HARDENING

__all__ = ["RUNTIME", "group_lines", "hidden_by", "load_line", "needs_of", "root_files", "unit_file", "unit_lines"]

RUNTIME: Final = Path("/run/les")
"""The folder that a unit has for a control socket of a group: its state directory lets nobody in."""

# What ProtectHome= and PrivateTmp= hide.
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  (named, not used)


def hidden_by(path: Path) -> str:
    """The folder that the tight unit hides and that holds the path, empty where it can be read."""
    return next((folder for folder in _HIDDEN if path.is_relative_to(folder)), "")


def needs_of(config: object) -> Sequence[str]:
    """What a plugin with this configuration says that it needs, in the words of `docs/plugins.md`."""
    return tuple(str(need) for need in getattr(config, "needs", ()))


def root_files(*, secret_file: Path | None = None, key_file: Path | None = None) -> Mapping[str, Path]:
    """The files that root alone can read, those that there are, by the name under which systemd hands them over."""
    files = {"les-secret": secret_file, "les-key": key_file}
    return {name: path for name, path in files.items() if path is not None}


def load_line(name: str, path: Path) -> str:
    """The line that hands a file over."""
    return f"LoadCredential={name}:{str(path).replace('%', '%%')}"


def group_lines(group: str, *, root_scripts: bool = False) -> list[str]:
    """The lines that let the daemon give its control socket to the group, at a place that others can enter."""
    # In a user namespace of its own the daemon knows no group but its own, and all callers are nobody.
    own = [] if root_scripts else [f"SupplementaryGroups={group}", "SystemCallFilter=@chown", "PrivateUsers=no"]
    return [f"RuntimeDirectory={RUNTIME.name}", *own]


def unit_lines(needs: Sequence[str]) -> list[str]:
    """The lines that grant the needs, for an override of the tight unit."""
    return [f"{name}={value}" for name, value in _grants(needs).items()]


def _grants(needs: Sequence[str]) -> Mapping[str, str]:
    """What must be added to which directive, or be its value, in the order of the table."""
    capabilities = " ".join(filter(is_capability, needs))
    families = " ".join(filter(is_family, needs))
    granted = {
        "CapabilityBoundingSet": capabilities,
        "AmbientCapabilities": capabilities,
        # In a user namespace of its own a capability is worth nothing outside of it.
        "PrivateUsers": "no" if capabilities else "",
        "ProcSubset": "all" if PROC_SYS in needs else "",
        "RestrictAddressFamilies": families,
    }
    return {name: value for name, value in granted.items() if value}


def unit_file(
    program: Path,
    config: Path,
    *,
    root_scripts: bool,
    needs: Mapping[str, Sequence[str]] = MappingProxyType({}),
    credentials: Mapping[str, Path] = MappingProxyType({}),
    group: str = "",
) -> str:
    """Return the text of `les.service`; both paths are absolute, `root_scripts` gives the relaxed one.

    `needs` are those of plugins, by name, and `credentials` the files that systemd hands over, by theirs; the relaxed
    one has them as it is. `group` is that of the control socket.
    """
    les = _word(program)
    file = _word(config)
    return _TEMPLATE.format(
        kind=_RELAXED_HEAD if root_scripts else _TIGHT_HEAD,
        les=les,
        file=file,
        hardening="\n".join(
            [*(_relaxed() if root_scripts else _tight(needs, credentials)), *_shared(group, root_scripts)]
        ),
    )


def _tight(needs: Mapping[str, Sequence[str]], credentials: Mapping[str, Path]) -> Iterator[str]:
    grants = _grants([need for own in needs.values() for need in own])
    yield "# What the daemon and its scripts may not do. The unit of `les init --root-scripts` lets them do more."
    if grants:
        yield f"# More than usual, for {', '.join(needs)}, and so for scripts too: {', '.join(grants)}."
    for directive in HARDENING:
        extra = grants.get(directive.name, "")
        # The values of these two are replaced; to all others words are added.
        kept = "" if extra and directive.name in ("PrivateUsers", "ProcSubset") else directive.tight
        yield f"{directive.name}={' '.join(filter(None, (kept, extra)))}"
    if credentials:
        yield ""
        yield "# Only root can read these; systemd hands them over."
        yield from (load_line(name, path) for name, path in credentials.items())


def _shared(group: str, root_scripts: bool) -> Iterator[str]:
    if group:
        yield ""
        yield "# The control socket is in a folder that others can enter, and the daemon gives it to its group."
        yield from group_lines(group, root_scripts=root_scripts)


def _relaxed() -> Iterator[str]:
    yield "# As in the tight unit."
    for directive in HARDENING:
        if directive.relaxed is None:
            yield f"{directive.name}={directive.tight}"
    yield ""
    yield "# Relaxed, each line for the reason above it. Put back what your scripts can do without."
    for directive in HARDENING:
        if directive.relaxed is not None:
            yield f"# {directive.why}:"
            yield f"{directive.name}={directive.relaxed}"


def _word(path: Path) -> str:
    """A path as one word of a command line; systemd expands % and $ also within quotes."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if any(character in text for character in " \t'\";") else text


_TIGHT_HEAD: Final = "The tight unit: for scripts that need nothing of the host but its network"
_RELAXED_HEAD: Final = "The relaxed unit: for scripts that manage the host, as root"

_TEMPLATE: Final = """\
# {kind}.
# Install: cp les.service /etc/systemd/system/ && systemctl enable --now les
[Unit]
Description=Leader election by seniority, with hooks
Wants=network-online.target
After=network-online.target
# A node that gives up after some failed starts would be missing when the others need it.
StartLimitIntervalSec=0

[Service]
# Ready with the first stable view of the cluster; until then the daemon asks for more time itself.
Type=notify
NotifyAccess=main
ExecStart={les} run -c {file}
ExecReload={les} reload -c {file}
# When the daemon died without doing so: the demote hooks, and what plugins must undo.
ExecStopPost={les} cleanup --wait 10 -c {file}

# TERM to the daemon alone, which ends its scripts in order; KILL to whatever is left when it is gone.
KillMode=mixed
# More than [hooks] timeout, for the cleanup; when it stops in order the daemon asks for what its hooks need.
TimeoutStopSec=120
# The election feeds it. A daemon that hangs has nothing to say any more, and the cleanup should not wait.
WatchdogSec=10
WatchdogSignal=SIGKILL
# A script that takes all the memory is ended alone.
OOMPolicy=continue

# Not "always": after `les leave` the node stays away until it is started again.
Restart=on-failure
RestartSec=1
# Usage, no permission, configuration: it would fail again in the same way.
RestartPreventExitStatus=2 77 78

{hardening}

[Install]
WantedBy=multi-user.target
"""
