"""What voters must never do, judged by the frames that they send and hear, and by their disks."""

from dataclasses import dataclass, field

from les_hooks.election.frames import Bye, Electorate, Frame, Grant, Release, Request
from les_hooks.election.identity import Memory
from les_hooks.election.messages import Heard, Message, Undone
from les_hooks.members import Address, Boot
from tests.election.sim.hosts import Process
from tests.election.sim.violation import Violation

__all__ = ["Votes"]

_ROUNDING = 1e-6


@dataclass(slots=True)
class Promise:
    """The last vote that a process gave away: for which request of which process, and until when on its own clock."""

    boot: Boot
    number: int
    until: float


@dataclass(slots=True)
class Votes:
    """Keeps the books of all voters. `asked` are the requests of each process."""

    electorate: Electorate
    asked: dict[tuple[Boot, int], Request] = field(default_factory=dict)
    promises: dict[Process, Promise] = field(default_factory=dict)
    quiet_until: dict[Process, float] = field(default_factory=dict)

    def started(self, process: Process, memory: Memory) -> None:
        """A voter begins; its disk says for how long it may have promised something."""
        self.quiet_until[process] = process.since + max(memory.longest_lease, self.electorate.lease)

    def sent(self, process: Process, address: Address, frame: Frame, now: float) -> None:
        """A process sends a frame."""
        if isinstance(frame, Request):
            self.asked[process.boot, frame.number] = frame
        elif isinstance(frame, Grant):
            self._granted(process, address, frame, process.host.clock.show(now))

    def _granted(self, process: Process, address: Address, grant: Grant, boottime: float) -> None:
        voter = f"{process.host.address}/{process.boot.counter}"
        if boottime < self.quiet_until[process] - _ROUNDING:
            raise Violation("no grant inside the restart wait", f"{voter} to {address} at {boottime}")
        promise = self.promises.get(process)
        if promise is not None and promise.boot != grant.boot and boottime < promise.until - _ROUNDING:
            raise Violation(
                "a vote is given to one at a time",
                f"{voter} to {grant.boot.nonce} while {promise.boot.nonce} has it until {promise.until}",
            )
        request = self.asked.get((grant.boot, grant.number))
        if request is None:
            raise Violation("a grant answers a request", f"{voter} to {grant}")
        disk = process.host.disk.memory
        written = disk.longest_lease >= self.electorate.lease
        # Who leads was pledged by a majority of the voters, be it without this one.
        if not request.sitting:
            written &= disk.granted_term > request.term or (disk.granted_term, disk.granted_boot) == (
                request.term,
                grant.boot,
            )
        if not written:
            raise Violation("a voter writes a term down before it first grants it", f"{voter}: {request}, {disk}")
        self.promises[process] = Promise(grant.boot, grant.number, boottime + self.electorate.lease)

    def told(self, process: Process, message: Message) -> None:
        """A process is about to be told something; some of it gives it its vote back."""
        match message:
            case Heard(frame=Release(number=number, boot=boot)):
                promise = self.promises.get(process)
                if promise is not None and promise.boot == boot and promise.number <= number:
                    del self.promises[process]
            case Heard(frame=Bye(boot=boot)) | Undone(boot=boot):
                self._free(process, boot)

    def _free(self, process: Process, boot: Boot) -> None:
        promise = self.promises.get(process)
        if promise is not None and promise.boot == boot:
            del self.promises[process]
