"""Every error that les-hooks raises, named for whose fault it is. Imports nothing; anybody may import it.

    LesHooksError
        ConfigError       the operator's file: one or more problems, each with its place
        StartError        the machine: a port, a folder, a lock that this node cannot have
        PeerError         another node sent what it must not
        PluginError       a plugin cannot be loaded or does what it must not
        ControlError      a request over the control socket that cannot be answered
        IllegalTransition our own bug: a change of role that the table does not know

Fields first; the message is built from the fields and says what, where and what to do next.
"""

from dataclasses import dataclass

__all__ = [
    "ConfigError",
    "ControlError",
    "IllegalTransition",
    "LesHooksError",
    "PeerError",
    "PluginError",
    "Problem",
    "StartError",
]


class LesHooksError(Exception):
    """The root of every error of this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a configuration.

    `where` is `file:line:column` (or the flag), `key` the dotted key, empty where the file as a whole is meant.
    """

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class ConfigError(LesHooksError):
    """The configuration cannot be used; `problems` holds all that is wrong with it, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class StartError(LesHooksError):
    """The node cannot start here: `what` it needs, `why` it cannot have it, and the `advice` that mends it.

    `exit_code` is what the command line ends with: 1, 77 where another user could, 78 where it is the configuration.
    """

    def __init__(self, what: str, why: str, advice: str, exit_code: int = 1) -> None:
        self.what = what
        self.why = why
        self.advice = advice
        self.exit_code = exit_code
        super().__init__(f"{what}: {why}; {advice}")


class PeerError(LesHooksError):
    """Another node said something malformed: `peer` as far as it is known, and `why` it was refused."""

    def __init__(self, peer: str, why: str) -> None:
        self.peer = peer
        self.why = why
        super().__init__(f"{peer}: {why}")


class PluginError(LesHooksError):
    """The plugin `name` cannot be used, and `why`."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why
        super().__init__(f"plugin {name}: {why}")


class ControlError(LesHooksError):
    """A request over the control socket failed; `why` is what the operator reads.

    `exit_code` is what the command line ends with: 1 unless something better is known, 69 where no daemon answers, 77
    where it must not be asked.
    """

    def __init__(self, why: str, exit_code: int = 1) -> None:
        self.why = why
        self.exit_code = exit_code
        super().__init__(why)


class IllegalTransition(LesHooksError):  # noqa: N818  (it names the fault, as the table does)
    """`role` knows no `trigger`: a bug in the machine, never a peer's doing."""

    def __init__(self, role: str, trigger: str) -> None:
        self.role = role
        self.trigger = trigger
        super().__init__(f"no transition from {role} on {trigger}")
