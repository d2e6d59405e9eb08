"""What the two units forbid, line by line, and why the relaxed one forbids less. Values only; for this package.

`docs/systemd.md` shows the table; a test compares.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["HARDENING", "Directive"]


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
        relaxed="~CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_BLOCK_SUSPEND CAP_BPF CAP_CHECKPOINT_RESTORE CAP_LEASE "
        "CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_PERFMON CAP_SETFCAP CAP_SYS_BOOT CAP_SYS_MODULE "
        "CAP_SYS_PACCT CAP_SYS_PTRACE CAP_SYS_RAWIO CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_SYSLOG CAP_WAKE_ALARM",
        why="scripts add addresses and routes, mount, change owners, signal others, and `[hooks] user` wants "
        "CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_KILL; these here they do without",
    ),
    Directive(name="AmbientCapabilities", tight=""),
    Directive(name="KeyringMode", tight="private"),
    # Scripts included. The daemon sees to itself; this holds from the first moment on, and for what is run beside it.
    Directive(name="LimitCORE", tight="0"),
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
        name="NoExecPaths",
        tight="/var/lib/les /tmp /var/tmp /dev/shm",
        relaxed="",
        why=_NAMESPACE,
    ),
    Directive(
        name="PrivateDevices", tight="yes", relaxed="no", why="scripts mount disks, and write to watchdogs and consoles"
    ),
    Directive(name="DevicePolicy", tight="closed", relaxed="auto", why="scripts mount disks"),
    Directive(name="PrivateUsers", tight="yes", relaxed="no", why="root must be the host's root"),
    Directive(name="ProtectProc", tight="invisible", relaxed="default", why="scripts look for other processes"),
    Directive(name="ProcSubset", tight="pid", relaxed="all", why="ip, mount and sysctl read /proc/net and /proc/sys"),
    Directive(name="RemoveIPC", tight="yes", relaxed="no", why="root's shared memory is not this unit's to remove"),
    Directive(name="PrivateIPC", tight="yes", relaxed="no", why="scripts may share memory with other programs"),
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
        relaxed="~@clock @cpu-emulation @debug @module @obsolete @raw-io bpf userfaultfd",
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
