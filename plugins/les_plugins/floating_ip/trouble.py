"""What can go wrong between this node and a provider. Values only; private to `floating_ip`."""

from enum import StrEnum

from les_hooks.errors import LesHooksError

__all__ = ["Fault", "Trouble"]


class Fault(StrEnum):
    """Kinds of trouble. None of them says who holds the address: that is unknown until a look succeeds."""

    UNREACHABLE = "unreachable"
    """No connection, or none that lasted until the answer; what was sent may have been done."""
    BUSY = "busy"
    """The provider is still at work on something that concerns the address."""
    THROTTLED = "throttled"
    """The provider wants fewer calls."""
    SPENT = "spent"
    """The calls that this plugin allows itself in an hour are used up."""
    DENIED = "denied"
    """The token is not accepted, or may not do this."""
    MISSING = "missing"
    """The provider knows no such thing."""
    TAKEN = "taken"
    """Somebody else has it, contrary to what was seen before: the change is not made, and another look is due."""
    REFUSED = "refused"
    """The provider will not do it."""
    BROKEN = "broken"
    """The provider has an error of its own."""
    MALFORMED = "malformed"
    """The answer is none that the provider's documentation knows."""
    FAILED = "failed"
    """It was accepted, and failed later."""
    UNPREPARED = "unprepared"
    """Something on this host is missing: a token, an own id, a program."""
    LOST_AUTHORITY = "lost-authority"
    """This node may not act as the leader at this moment."""


class Trouble(LesHooksError):  # noqa: N818  (whose fault it is stands in `fault`)
    """A call came to nothing that can be relied on: `fault` is the kind, `why` the words.

    `retry_after` are seconds that the provider wants to be left alone for, 0.0 where it did not say.
    """

    def __init__(self, fault: Fault, why: str, retry_after: float = 0.0) -> None:
        self.fault = fault
        self.why = why
        self.retry_after = retry_after
        super().__init__(f"{fault}: {why}")
