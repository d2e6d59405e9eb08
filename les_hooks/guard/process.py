"""The guard's own program: it ends process groups when the daemon died or let its authority run out.

Of the rest only `les_hooks.processes` imports it, for `living` and the name of the variable.

Started as `python -I -S process.py PARENT GRACE LIMIT LOCK [CLEANUP...]`: the daemon's pid, seconds between TERM and
KILL, seconds for the cleanup command, the descriptor of a lock (-1: none), and that command. It is a fresh interpreter
and no fork: a fork of a process with threads may hang, and a library user's process has threads. It imports little
because it stays as long as the daemon.

Commands come as lines on stdin, RUN being the value of LES_RUN in the environment of the program:

    authority TERM END     until when the daemon may act as leader, and when others may (CLOCK_BOOTTIME, or `none`)
    intent RUN KIND        a program of this kind is about to be started
    intent RUN KIND UID BEGUN   the same, as this other user, and not before that moment (CLOCK_BOOTTIME)
    group PGID KIND [RUN]  this is its group, of that intent
    unstarted RUN          nothing came of the intent
    ending PGID KILL       the daemon itself has sent the group TERM, and sends KILL at that time
    ended PGID             the group is gone
    bye                    the daemon is done: go, and touch nothing

All kinds are ended when the daemon dies; beyond that, `authority` is ended from TERM on, `release`, which undoes what a
leader did, gets KILL right before END, and `daemon` nothing. Between TERM and KILL lie GRACE seconds, or a quarter of
what is left until END, whichever is less: so the rest is for what must be undone before others may lead.

End of file without `bye`, or the death of PARENT (somebody may have inherited the pipe), means that the daemon died.
The cleanup command then finds END as LES_RELEASE_BY in its environment, where there is one.
What is malformed is ignored. A group that is once being ended is ended to the end, whatever is renewed meanwhile.

The intent is there because a daemon may be killed or frozen after a program began and before it could tell the group.
Then the guard looks for the program by its LES_RUN; for a while, because a child shows its parent's environment until
its exec. The environment of another user's program takes CAP_SYS_PTRACE to be read; without, it is found as what the
daemon, or who inherited its children, has of that user, began no sooner, leads a session, and is no group that is
known. A program that replaces its environment in these moments, or its user otherwise, is not found.

The lock is held by whoever has its descriptor, so it is free when the last group is gone, or this process: whoever
takes the daemon's place waits for that. It is let go of before the cleanup, which takes its place as well.

On the reuse of numbers: the kernel gives no process a number that is still a group's. So as long as a process has the
group's number it must be the one that had it when the group was told, or the group is gone and the number a stranger's.
That is looked at before each signal; what is left to chance is the microsecond between the look and the signal.

One file, though it is long: an isolated interpreter finds no modules beside its program.
"""

import os
import select
import signal
import sys
import time

RUN_VARIABLE = "LES_RUN"
RELEASE_VARIABLE = "LES_RELEASE_BY"

AUTHORITY, RELEASE, DAEMON = KINDS = (b"authority", b"release", b"daemon")
NEVER = float("inf")

MOST_GROUPS = 1024
LINE_BYTES = 256

# The timer of poll() stands still while the machine sleeps, CLOCK_BOOTTIME does not: so look at least this often
# while an end of authority is pending.
LONGEST_WAIT_SECONDS = 0.5

# While groups are being ended, their end is looked for this often.
POLL_SECONDS = 0.02

# A program that got KILL needs a moment to be gone.
KILLED_SECONDS = 0.05

# What was intended and not told is searched this often, for this long. From vfork to exec it is a millisecond; the rest
# is for a machine that is busy. It delays the cleanup after a daemon that died between its intent and the vfork.
SEARCH_POLL_SECONDS = 0.005
SEARCH_SECONDS = 1.0

# Two of the longest strings that Linux takes: what is after them is not seen.
ENVIRON_BYTES = 256 * 1024


def now() -> float:
    """Seconds since the machine started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Group:
    """A group that is known: its kind, when its leader started, and how far its end has come."""

    __slots__ = ("kill_at", "kind", "leader", "seen")

    def __init__(self, number: int, kind: bytes) -> None:
        self.kind = kind
        self.leader = started(number)
        self.kill_at: float | None = None
        self.seen: list[int] = []

    @property
    def overdue(self) -> bool:
        """Whether its grace is over."""
        return self.kill_at is not None and now() >= self.kill_at


class Intent:
    """A program that is about to be started: its kind, and as which user, if another one, not before which moment."""

    __slots__ = ("begun", "kind", "uid")

    def __init__(self, kind: bytes, uid: int | None = None, begun: float = 0.0) -> None:
        self.kind = kind
        self.uid = uid
        self.begun = begun


class Groups:
    """The groups that are known, those that are about to be, when authority ends, and which groups are being ended."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.until = self.release_by = NEVER
        self.known: dict[int, Group] = {}
        self.intents: dict[bytes, Intent] = {}
        self.search_until: dict[bytes, float] = {}

    def obey(self, line: bytes) -> bool:
        """Carry out one command; True is `bye`."""
        match line.split():
            case [b"bye"]:
                return True
            case [b"authority", until, release_by]:
                if (first := as_seconds(until)) is not None and (second := as_seconds(release_by)) is not None:
                    self.until, self.release_by = first, second
            case [b"intent", run, kind] if kind in KINDS:
                self.intend(run, Intent(kind))
            case [b"intent", run, kind, uid, begun] if kind in KINDS and uid.isdigit() and len(uid) < 11:
                if (moment := as_seconds(begun)) is not None:
                    self.intend(run, Intent(kind, int(uid), moment))
            case [b"group", number, kind, *run] if kind in KINDS and is_group(number) and len(run) < 2:
                self.settle(*run)
                if len(self.known) < MOST_GROUPS:
                    self.add(int(number), kind)
            case [b"unstarted", run]:
                self.settle(run)
            case [b"ending", number, kill_at] if is_group(number) and int(number) in self.known:
                group = self.known[int(number)]
                group.kill_at = as_seconds(kill_at) if group.kill_at is None else group.kill_at
            case [b"ended", number] if is_group(number):
                self.known.pop(int(number), None)
        return False

    def intend(self, run: bytes, intent: Intent) -> None:
        """Know this intent from now on."""
        if len(self.intents) < MOST_GROUPS:
            self.intents[run] = intent

    def add(self, number: int, kind: bytes) -> None:
        """Know this group from now on."""
        if number not in self.known or not self.is_ours(number):
            self.known[number] = Group(number, kind)

    def settle(self, run: bytes = b"") -> None:
        """Have done with an intent."""
        self.intents.pop(run, None)
        self.search_until.pop(run, None)

    def end(self, groups: list[int]) -> None:
        """Send TERM to these groups, unless they have had it; KILL follows."""
        kill_at = now() + min(self.grace, max(self.release_by - now(), 0.0) / 4)
        for number in groups:
            group = self.known[number]
            if group.kill_at is None and self.is_ours(number):
                send(number, signal.SIGTERM)
                send(number, signal.SIGCONT)
            group.kill_at = kill_at if group.kill_at is None else min(kill_at, group.kill_at)

    def end_without_authority(self) -> None:
        """End what may run only under an authority that has passed."""
        if now() >= self.until:
            overdue = [number for number in self.of(AUTHORITY) if self.known[number].kill_at is None]
            if overdue:
                say("guard-ends-groups", "authority-passed", len(overdue))
                self.end(overdue)
            self.search_for(AUTHORITY)
        if now() >= self.last_moment:
            late = [number for number in self.of(AUTHORITY, RELEASE) if not self.known[number].overdue]
            if late:
                say("guard-ends-groups", "release-due", len(late))
            for number in late:
                self.known[number].kill_at = 0.0
            self.search_for(RELEASE)

    @property
    def last_moment(self) -> float:
        """When nothing of this leadership may run on, whatever was granted to it before."""
        return self.release_by - KILLED_SECONDS

    def of(self, *kinds: bytes) -> list[int]:
        """The groups of these kinds."""
        return [number for number, group in self.known.items() if group.kind in kinds]

    def search_for(self, kind: bytes) -> None:
        """Begin to look for what was intended, and never told, of this kind."""
        for run in self.intents:
            if self.intents[run].kind == kind:
                self.search_until.setdefault(run, now() + SEARCH_SECONDS)

    def end_all(self) -> None:
        """End all groups, those that need authority first; returns when they are gone or killed."""
        if self.known:
            say("guard-ends-groups", "daemon-died", len(self.known))
        self.end(sorted(self.known, key=lambda number: self.known[number].kind != AUTHORITY))
        self.search_until = dict.fromkeys(self.intents, now() + SEARCH_SECONDS)
        while self.known or self.sought():
            self.work()
            time.sleep(self.pause_seconds())

    def work(self) -> None:
        """Go on with what has been begun."""
        self.search()
        self.kill_overdue()

    def sought(self) -> list[bytes]:
        """What is being searched at this moment."""
        return [run for run, until in self.search_until.items() if now() < until]

    def search(self) -> None:
        """End what was intended and never told, as far as it can be found by now."""
        sought = self.sought()
        found = find(sought) if sought else {}
        for run in sought:
            number = found.get(run) or find_unreadable(self.intents[run], self.known)
            if number is None:
                continue
            say("guard-ends-groups", "never-told", 1)
            self.add(number, self.intents[run].kind)
            self.settle(run)
            self.end([number])

    def kill_overdue(self) -> None:
        """Forget the groups that are gone, and send KILL to those whose grace is over."""
        for number, group in list(self.known.items()):
            if group.kill_at is None:
                continue
            group.seen = living(number, group.seen) if self.is_ours(number) else []
            if group.seen and group.overdue:
                send(number, signal.SIGKILL)
                group.seen = []
            if not group.seen:
                del self.known[number]

    def is_ours(self, number: int) -> bool:
        """Whether the number has not become a stranger's."""
        return started(number) in (None, self.known[number].leader)

    def pause_seconds(self) -> float:
        """How long to wait before `work` goes on."""
        return SEARCH_POLL_SECONDS if self.sought() else POLL_SECONDS

    def wait_seconds(self) -> float | None:
        """How long nothing needs to be done unless a command comes; None: for ever."""
        if self.sought() or any(group.kill_at is not None for group in self.known.values()):
            return self.pause_seconds()
        # What was searched in vain is not waited for again: a daemon frozen before its vfork would keep this one busy.
        kinds = {group.kind for group in self.known.values()}
        kinds.update(intent.kind for run, intent in self.intents.items() if run not in self.search_until)
        due = min(
            self.until if AUTHORITY in kinds else NEVER,
            self.last_moment if kinds - {DAEMON} else NEVER,
        )
        return None if due == NEVER else min(max(due - now(), 0.0), LONGEST_WAIT_SECONDS)


def as_seconds(text: bytes) -> float | None:
    """Read a moment; None for what is none."""
    if text == b"none":
        return NEVER
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0.0 <= seconds < NEVER else None


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
    fields = status(pid)
    return len(fields) > 2 and int(fields[2]) == group and fields[0] not in (b"Z", b"X")


def started(pid: int) -> int | None:
    """When the process started, in ticks since the machine did; None where there is none."""
    fields = status(pid)
    return int(fields[19]) if len(fields) > 19 else None


def status(pid: int) -> list[bytes]:
    """Return the fields of `/proc/PID/stat` from the state on, empty where there is no such process."""
    # "pid (name) state parent group ...", and the name may hold anything.
    return read(f"/proc/{pid}/stat", 1024).rpartition(b") ")[2].split()


def read(path: str, size: int) -> bytes:
    """Return the beginning of a file in /proc, empty where its process is gone or somebody else's."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, size)
    except OSError:
        return b""
    finally:
        os.close(file)


def find(runs: list[bytes]) -> dict[bytes, int]:
    """Return the groups of these runs, as far as their programs can be seen.

    A run's group is that of its oldest process: what it moved into a session of its own is younger, and left alone.
    """
    name_and_sign = f"\0{RUN_VARIABLE}=".encode()
    oldest: dict[bytes, tuple[int, int, int]] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        environ = b"\0" + read(f"/proc/{pid}/environ", ENVIRON_BYTES)
        run = environ.partition(name_and_sign)[2].partition(b"\0")[0]
        fields = status(pid) if run in runs else []
        if len(fields) > 19 and is_group(fields[2]):
            process = int(fields[19]), pid, int(fields[2])
            oldest[run] = min(process, oldest.get(run, process))
    return {run: group for run, (_, _, group) in oldest.items()}


def find_unreadable(intent: Intent, known: dict[int, Group]) -> int | None:
    """Return the group of an intended program of another user's, whose environment this process may not read."""
    if intent.uid is None:
        return None
    # In the same tick of the kernel's clock, or later.
    soonest = int(intent.begun * os.sysconf("SC_CLK_TCK"))
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        fields = status(pid) if pid not in known and owner(pid) == intent.uid else []
        if len(fields) < 20 or int(fields[19]) < soonest or int(fields[1]) != os.getppid():
            continue
        if int(fields[2]) == int(fields[3]) == pid and not read(f"/proc/{pid}/environ", 1):
            return pid
    return None


def owner(pid: int) -> int | None:
    """Whose process it is; None where there is none."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


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
        groups.work()


def clean_up(command: list[str], limit: float, release_by: float) -> None:
    """Run the cleanup command in a group of its own, within the limit, and tell it when others may lead."""
    environ = {name: value for name, value in os.environ.items() if name != RELEASE_VARIABLE}
    if release_by < NEVER:
        environ[RELEASE_VARIABLE] = f"{release_by:.6f}"
    default = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE]
    quiet = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    try:
        pid = os.posix_spawn(command[0], command, environ, file_actions=quiet, setpgroup=0, setsigdef=default)
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


def main(parent: str, grace: str, limit: str, lock: str, *cleanup: str) -> None:
    """Guard, and clean up where that is needed."""
    # A terminal's Ctrl-C and a service manager's TERM go to everybody; this process ends after the daemon, not with it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = Groups(float(grace))
    if watch(groups, int(parent)):
        return
    groups.end_all()
    if int(lock) >= 0:
        os.close(int(lock))
    if cleanup:
        clean_up(list(cleanup), float(limit), groups.release_by)


if __name__ == "__main__":
    main(*sys.argv[1:])
