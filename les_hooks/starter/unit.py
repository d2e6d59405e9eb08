"""The systemd unit, tight or relaxed, from one table of what is forbidden. For this package.

`docs/systemd.md` explains it; a test compares.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from les_hooks.processes.rights import PROC_SYS, is_capability, is_family

__all__ = ["HARDENING", "Directive", "hidden_by", "needs_of", "unit_file", "unit_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A line of the unit. `relaxed` is its value for scripts that manage the host, `why` the reason for that.

    None: the same in both.
    """

    name: str
    tight: str
    relaxed: str | None = None
    why: str = ""


_NAMESPACE: Final = "it comes with a mount namespace, in which what a script mounts is seen by nobody else"

HARDENING: Final = (
    # Who it is, and what it may keep.
    Directive(name="DynamicUser", tight="yes", relaxed="no", why="systemctl, ip and mount want root"),
    Directive(name="StateDirectory", tight="les"),
    Directive(name="StateDirectoryMode", tight="0700"),
    Directive(name="UMask", tight="0077", relaxed="0022", why="other programs read the files that scripts make"),
    # Privileges.
    Directive(
        name="NoNewPrivileges", tight="yes", relaxed="no", why="sendmail, sudo and the like are setuid or setgid"
    ),
    Directive(
        name="CapabilityBoundingSet",
        tight="",
        relaxed="~CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_BLOCK_SUSPEND CAP_BPF CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN "
        "CAP_MAC_OVERRIDE CAP_PERFMON CAP_SYS_BOOT CAP_SYS_MODULE CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME "
        "CAP_SYS_PTRACE CAP_SYSLOG CAP_WAKE_ALARM",
        why="scripts add addresses and routes, mount, change owners, signal others; these here they do without",
    ),
    Directive(name="AmbientCapabilities", tight=""),
    Directive(name="RestrictSUIDSGID", tight="yes"),
    Directive(name="LockPersonality", tight="yes"),
    Directive(name="RestrictRealtime", tight="yes"),
    Directive(name="RestrictNamespaces", tight="yes"),
    Directive(
        name="MemoryDenyWriteExecute", tight="yes", relaxed="no", why="Node.js, Java and others compile as they run"
    ),
    # Files and devices.
    Directive(name="ProtectSystem", tight="strict", relaxed="no", why="scripts change files under /etc and elsewhere"),
    Directive(name="ProtectHome", tight="yes", relaxed="no", why=_NAMESPACE),
    Directive(name="PrivateMounts", tight="yes", relaxed="no", why=_NAMESPACE),
    Directive(name="PrivateTmp", tight="yes", relaxed="no", why=_NAMESPACE),
    Directive(
        name="PrivateDevices", tight="yes", relaxed="no", why="scripts mount disks, and write to watchdogs and consoles"
    ),
    Directive(name="DevicePolicy", tight="closed", relaxed="auto", why="scripts mount disks"),
    Directive(name="PrivateUsers", tight="yes", relaxed="no", why="root must be the host's root"),
    Directive(name="ProtectProc", tight="invisible", relaxed="default", why="scripts look for other processes"),
    Directive(name="ProcSubset", tight="pid", relaxed="all", why="ip, mount and sysctl read /proc/net and /proc/sys"),
    Directive(name="RemoveIPC", tight="yes", relaxed="no", why="root's shared memory is not this unit's to remove"),
    # The kernel.
    Directive(
        name="ProtectClock", tight="yes", relaxed="no", why="it closes all devices too; CAP_SYS_TIME is gone anyway"
    ),
    Directive(name="ProtectHostname", tight="yes"),
    Directive(
        name="ProtectKernelTunables", tight="yes", relaxed="no", why="scripts use sysctl, for ARP and forwarding"
    ),
    Directive(name="ProtectKernelModules", tight="yes", relaxed="no", why=f"{_NAMESPACE}; CAP_SYS_MODULE is gone"),
    Directive(name="ProtectKernelLogs", tight="yes", relaxed="no", why=f"{_NAMESPACE}; CAP_SYSLOG is gone"),
    Directive(name="ProtectControlGroups", tight="yes", relaxed="no", why=_NAMESPACE),
    # The network, and system calls.
    Directive(
        name="RestrictAddressFamilies",
        tight="AF_INET AF_INET6 AF_UNIX",
        relaxed="AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET",
        why="ip speaks netlink, arping raw packets",
    ),
    Directive(name="SystemCallArchitectures", tight="native"),
    Directive(
        name="SystemCallFilter",
        tight="@system-service",
        relaxed="~@clock @cpu-emulation @debug @module @obsolete @raw-io",
        why="mount, chown and others are what managing a host takes; these here it does without",
    ),
    Directive(
        name="SystemCallFilter",
        tight="~@privileged @resources",
        relaxed="~@reboot @swap",
        why="nice, ulimit and the like; rebooting is left to `systemctl reboot`, which asks systemd",
    ),
    Directive(name="SystemCallErrorNumber", tight="EPERM"),
)

# What ProtectHome= and PrivateTmp= hide.
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  (named, not used)


def hidden_by(path: Path) -> str:
    """The folder that the tight unit hides and that holds the path, empty where it can be read."""
    return next((folder for folder in _HIDDEN if path.is_relative_to(folder)), "")


def needs_of(config: object) -> Sequence[str]:
    """What a plugin with this configuration says that it needs, in the words of `docs/plugins.md`."""
    return tuple(str(need) for need in getattr(config, "needs", ()))


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
    program: Path, config: Path, *, root_scripts: bool, needs: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> str:
    """Return the text of `les.service`; both paths are absolute, `root_scripts` gives the relaxed one.

    `needs` are those of plugins, by name; the relaxed one grants them as it is.
    """
    les = _word(program)
    file = _word(config)
    return _TEMPLATE.format(
        kind=_RELAXED_HEAD if root_scripts else _TIGHT_HEAD,
        les=les,
        file=file,
        hardening="\n".join(_relaxed() if root_scripts else _tight(needs)),
    )


def _tight(needs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    grants = _grants([need for own in needs.values() for need in own])
    yield "# What the daemon and its scripts may not do. The unit of `les init --root-scripts` lets them do more."
    if grants:
        yield f"# More than usual, for {', '.join(needs)}, and so for scripts too: {', '.join(grants)}."
    for directive in HARDENING:
        extra = grants.get(directive.name, "")
        # The values of these two are replaced; to all others words are added.
        kept = "" if extra and directive.name in ("PrivateUsers", "ProcSubset") else directive.tight
        yield f"{directive.name}={' '.join(filter(None, (kept, extra)))}"


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
