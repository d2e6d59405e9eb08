"""A systemd of its own: PID 1 in new namespaces, which has this checkout under `/opt/les`, and no units but ours.

    with Manager() as manager:
        manager.write("/etc/systemd/system/les.service", ...)
        manager.systemctl("start", "les")

Nothing of the host is touched: the disk is read-only there but for file systems in memory, cgroups are below one that
is removed, `/proc/sys` cannot be written, and when PID 1 is killed so is everything.
"""

import contextlib
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.cluster import until
from tests.needs import need_program, need_root, need_systemd

__all__ = ["CONFIG", "HOOKS", "LES", "Manager"]

ROOT: Final = Path(__file__).parents[2]
LES: Final = Path("/opt/les/bin/les")
CONFIG: Final = Path("/opt/les/etc/les.toml")
HOOKS: Final = Path("/opt/les/etc/hooks.d")

_LIMIT_SECONDS: Final = 60
_NAMESPACES: Final = ("--mount", "--uts", "--ipc", "--net", "--cgroup")

# `container` tells systemd to leave the kernel's settings alone: core_pattern, the console, the clock. Mounts must be
# shared with the namespaces below, but not with the host's, or credentials come in an empty folder.
_INSIDE: Final = """
set -eu
mount --make-rprivate /
for writable in /run /tmp /var/tmp /var/lib /srv /opt /etc/systemd/system; do
    mount -t tmpfs -o mode=755 tmpfs $writable
done
chmod 1777 /tmp /var/tmp
for emptied in /usr/lib/systemd/system /usr/lib/systemd/system-generators; do
    mount -t tmpfs -o ro tmpfs $emptied
done
mount -t cgroup2 none /sys/fs/cgroup
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
ip link set lo up
mkdir -p /run/systemd/journal /opt/les/bin /opt/les/etc/hooks.d
{binds}
printf '%s' {wrapper} > {les}
chmod 755 {les}
for target in sysinit basic shutdown network-online multi-user umount; do
    printf '[Unit]\\nDefaultDependencies=no\\n' > /etc/systemd/system/$target.target
done
mount -o remount,bind,ro /
mount --make-rshared /
exec env -i container=les PATH=/usr/sbin:/usr/bin:/sbin:/bin {systemd} --system --unit=multi-user.target \
    --show-status=no --log-target=console --log-level=notice --default-standard-output=inherit
"""


class Manager:
    """One such systemd; its own messages are in `said()`."""

    def __init__(self, log: Path) -> None:
        need_root()
        self._systemd = need_systemd()
        self._nsenter, self._unshare = need_program("nsenter"), need_program("unshare")
        self._log = log
        self._cgroup = _cgroups() / f"les-test-{os.getpid()}-{secrets.token_hex(4)}"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        self._cgroup.mkdir()
        inside = _INSIDE.format(binds=_binds(), wrapper=shlex.quote(_wrapper()), les=LES, systemd=self._systemd)
        enter = f'echo $$ > {self._cgroup}/cgroup.procs && exec "$@"'
        apart = [self._unshare, "--pid", "--fork", "--mount-proc", "--kill-child", *_NAMESPACES, "sh", "-c", inside]
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    ["sh", "-c", enter, "sh", *apart], stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            self._pid = until(self._first_child, "systemd is started")
            until(lambda: self.systemctl("is-active", "multi-user.target", check=False) == "active", self.said())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, and all that runs in it, and remove its cgroups."""
        if self._process is not None:
            self._process.kill()  # `unshare --kill-child` takes PID 1 with it, which takes the rest
            self._process.wait(_LIMIT_SECONDS)
        until(self._remove_cgroups, "the cgroups are empty")

    def path(self, inside: Path | str) -> Path:
        """Where a file of its is, as seen from here."""
        return Path(f"/proc/{self._pid}/root{inside}")

    def write(self, inside: Path | str, text: str, mode: int = 0o644) -> None:
        """Write a file, and the folders above it."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def run(self, *words: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command in there, as root and outside of all units."""
        argv = [self._nsenter, "-t", str(self._pid), "--pid", *_NAMESPACES, *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False, cwd="/")
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self.said()}"
        return done

    def systemctl(self, *words: str, check: bool = True) -> str:
        """What `systemctl` says."""
        return self.run("systemctl", *words, check=check).stdout.strip()

    def said(self) -> str:
        """What it said of its units."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _first_child(self) -> int:
        assert self._process is not None
        assert self._process.poll() is None, self.said()
        pid = self._process.pid
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
            if children and b"systemd" in Path(f"/proc/{children[0]}/comm").read_bytes():
                return int(children[0])
        return 0

    def _remove_cgroups(self) -> bool:
        with contextlib.suppress(OSError):
            for folder, _, _ in os.walk(self._cgroup, topdown=False):
                os.rmdir(folder)
        return not self._cgroup.exists()


def _cgroups() -> Path:
    """Where this host has its cgroups of version 2."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="ascii").splitlines():
        place, _, source = line.partition(" - ")
        if source.startswith("cgroup2 "):
            return Path(place.split()[4])
    raise AssertionError("need_systemd lets nobody come here")


def _libraries() -> Sequence[Path]:
    return [path for each in sys.path if (path := Path(each)).name == "site-packages" and path.is_dir()]


def _binds() -> str:
    """Bring Python, its libraries and this checkout to where no unit hides them."""
    places = {"python": Path(sys.base_prefix), "src": ROOT}
    places |= {f"site{number}": path for number, path in enumerate(_libraries())}
    lines = []
    for name, path in places.items():
        lines.append(f"mkdir /opt/les/{name}")
        lines.append(f"mount --bind -o ro {shlex.quote(str(path))} /opt/les/{name}")
    return "\n".join(lines)


def _wrapper() -> str:
    python = f"/opt/les/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    found = ["/opt/les/src", "/opt/les/src/plugins", *(f"/opt/les/site{n}" for n in range(len(_libraries())))]
    return (
        "#!/bin/sh\nexport PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH=/opt/les/python/lib PYTHONPATH="
        + ":".join(found)
        + "\n"
        f'exec {python} -P -m les_hooks "$@"\n'
    )
