"""The guard's own program: it ends process groups when the daemon died or let its authority run out.

Of the rest only `les_hooks.processes` imports it, for `living`.

Started as `python -I -S process.py PARENT GRACE LIMIT [CLEANUP...]`: the daemon's pid, seconds between TERM and KILL,
seconds for the cleanup command, and that command. It is a fresh interpreter and no fork: a fork of a process with
threads may hang, and a library user's process has threads. It imports little because it stays as long as the daemon.

Commands come as lines on stdin:

    authority SECONDS|none     until when (CLOCK_BOOTTIME) the daemon may act as leader
    group PGID authority       end this group when the daemon dies, or when its authority passes
    group PGID daemon          end this group when the daemon dies
    ended PGID                 the group is gone
    bye                        the daemon is done: go, and touch nothing

End of file without `bye`, or the death of PARENT (somebody may have inherited the pipe), means that the daemon died.
What is malformed is ignored. A group that is once being ended is ended to the end, whatever is renewed meanwhile.

On the reuse of numbers: the kernel gives no process a number that is still a group's. The daemon tells a group while
its leader lives, and `ended` as soon as it has seen that it is empty; a daemon that is frozen reaps nobody, so its
numbers stay taken. When it died, the guard signals at once, and from then on looks often and forgets each group the
moment that it is empty. To hit a stranger, all process numbers (32 768 at least, commonly four million) would have to
go round in the milliseconds in between, and land on one that leads a group.
"""

import os
import select
import signal
import sys
import time

MOST_GROUPS = 1024
LINE_BYTES = 256

# The timer of poll() stands still while the machine sleeps, CLOCK_BOOTTIME does not: so look at least this often
# while an end of authority is pending.
LONGEST_WAIT_SECONDS = 0.5

# While groups are being ended, their end is looked for this often.
POLL_SECONDS = 0.02


def now() -> float:
    """Seconds since the machine started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Groups:
    """The groups that are known, when authority ends, and which groups are being ended."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.until: float | None = None
        self.known: dict[int, bool] = {}
        self.kill_at: dict[int, float] = {}
        self.seen: dict[int, list[int]] = {}

    def obey(self, line: bytes) -> bool:
        """Carry out one command; True is `bye`."""
        match line.split():
            case [b"bye"]:
                return True
            case [b"authority", b"none"]:
                self.until = None
            case [b"authority", until]:
                self.until = as_seconds(until, self.until)
            case [b"group", number, (b"authority" | b"daemon") as work] if is_group(number):
                if len(self.known) < MOST_GROUPS:
                    self.known[int(number)] = work == b"authority"
            case [b"ended", number] if is_group(number):
                self.forget(int(number))
        return False

    def end(self, groups: list[int]) -> None:
        """Send TERM to these groups, unless they have had it; KILL follows."""
        for group in groups:
            if group not in self.kill_at:
                self.kill_at[group] = now() + self.grace
                send(group, signal.SIGTERM)
                send(group, signal.SIGCONT)

    def end_without_authority(self) -> None:
        """End what may run only under an authority that has passed."""
        if self.until is not None and now() >= self.until:
            overdue = [group for group, bound in self.known.items() if bound and group not in self.kill_at]
            if overdue:
                say("guard-ends-groups", "authority-passed", len(overdue))
                self.end(overdue)

    def end_all(self) -> None:
        """End all groups, those that need authority first; returns when they are gone or killed."""
        if self.known:
            say("guard-ends-groups", "daemon-died", len(self.known))
        self.end(sorted(self.known, key=lambda group: not self.known[group]))
        while self.kill_at:
            self.kill_overdue()
            time.sleep(POLL_SECONDS)

    def kill_overdue(self) -> None:
        """Forget the groups that are gone, and send KILL to those whose grace is over."""
        for group, moment in list(self.kill_at.items()):
            self.seen[group] = living(group, self.seen.get(group, []))
            if not self.seen[group]:
                self.forget(group)
            elif now() >= moment:
                send(group, signal.SIGKILL)
                self.forget(group)

    def forget(self, group: int) -> None:
        """Know nothing more of the group."""
        self.known.pop(group, None)
        self.kill_at.pop(group, None)
        self.seen.pop(group, None)

    def wait_seconds(self) -> float | None:
        """How long nothing needs to be done unless a command comes; None: for ever."""
        if self.kill_at:
            return POLL_SECONDS
        if self.until is None or not any(self.known.values()):
            return None
        return min(max(self.until - now(), 0.0), LONGEST_WAIT_SECONDS)


def as_seconds(text: bytes, otherwise: float | None) -> float | None:
    """Read a number of seconds; what is none changes nothing."""
    try:
        seconds = float(text)
    except ValueError:
        return otherwise
    return seconds if 0.0 <= seconds < float("inf") else otherwise


def is_group(text: bytes) -> bool:
    """Whether this is the number of a group that may be signalled: never all (1), nor this process's own (0)."""
    return text.isdigit() and len(text) < 10 and int(text) > 1 and int(text) != os.getpid()


def send(group: int, number: int) -> bool:
    """Signal a group; False where it is gone."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def living(group: int, seen: list[int]) -> list[int]:
    """Return who is left in the group, zombies not counted: an init may take a second to reap them, or never do it.

    Who was `seen` before is looked at first; all processes of the machine only where none of those is left.
    """
    if not send(group, 0):
        return []
    left = [pid for pid in seen if is_alive_in(pid, group)]
    return left or [int(name) for name in os.listdir("/proc") if name.isdigit() and is_alive_in(int(name), group)]


def is_alive_in(pid: int, group: int) -> bool:
    """Whether the process is in the group, and no zombie."""
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return False
    try:
        # "pid (name) state parent group ...", and the name may hold anything.
        state, _, its_group = os.read(file, 1024).rpartition(b") ")[2].split(maxsplit=3)[:3]
    except (OSError, ValueError):
        return False
    finally:
        os.close(file)
    return int(its_group) == group and state not in (b"Z", b"X")


def say(event: str, reason: str, groups: int) -> None:
    """Leave one line of JSON in the daemon's log, unless that would block."""
    line = f'{{"level": "warning", "event": "{event}", "reason": "{reason}", "groups": {groups}}}\n'
    writable = select.poll()
    writable.register(2, select.POLLOUT)
    try:
        if writable.poll(0) == [(2, select.POLLOUT)]:
            os.write(2, line.encode())
    except OSError:
        pass


def watch(groups: Groups, parent: int) -> bool:
    """Obey until the daemon says goodbye (True) or is gone (False)."""
    os.set_blocking(0, False)
    poll = select.poll()
    poll.register(0, select.POLLIN)
    if parent == os.getppid():
        poll.register(os.pidfd_open(parent), select.POLLIN)
    rest = b""
    while True:
        wait = groups.wait_seconds()
        # Rounded up: a wait that is a fraction of a millisecond short would spin.
        ready = poll.poll(None if wait is None else int(wait * 1000) + 1)
        try:
            data = os.read(0, 65536) if ready else None
        except BlockingIOError:
            data = b""  # the pipe is empty and something was ready: the daemon's end
        if data is not None:
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[:LINE_BYTES]
            if any(groups.obey(line) for line in lines):
                return True
            if not data:
                return False
        groups.end_without_authority()
        groups.kill_overdue()


def clean_up(command: list[str], limit: float) -> None:
    """Run the cleanup command in a group of its own, within the limit."""
    default = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE]
    quiet = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    try:
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet, setpgroup=0, setsigdef=default)
    except OSError as error:
        say("guard-cleanup-unstarted", str(error.strerror), 0)
        return
    for number, seconds in ((0, limit), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        send(pid, number)
        until = now() + seconds
        while now() < until:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
            time.sleep(POLL_SECONDS)


def main(parent: str, grace: str, limit: str, *cleanup: str) -> None:
    """Guard, and clean up where that is needed."""
    # A terminal's Ctrl-C and a service manager's TERM go to everybody; this process ends after the daemon, not with it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = Groups(float(grace))
    if watch(groups, int(parent)):
        return
    groups.end_all()
    if cleanup:
        clean_up(list(cleanup), float(limit))


if __name__ == "__main__":
    main(*sys.argv[1:])
