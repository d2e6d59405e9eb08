"""Who votes: what the configuration says, and what the disk remembers of it. For `parts` and `les check`."""

from collections.abc import Sequence

from les_hooks.config import Config, Quorum
from les_hooks.election.frames import Electorate
from les_hooks.errors import StartError

__all__ = ["check_change", "electorate_of"]


def electorate_of(config: Config) -> Electorate | None:
    """Whose votes a node with this configuration goes by; None where every live member confirms."""
    if config.cluster.quorum is not Quorum.MAJORITY:
        return None
    return Electorate(voters=tuple(sorted(config.cluster.voters)), lease=config.timing.lease)


def check_change(electorate: Electorate, in_force: Sequence[str], file: str) -> None:
    """Raise StartError where the voters differ by more than one from those that elected the last leader.

    Majorities of two such lists may have nobody in common, and two leaders then. `in_force` comes from `file`, empty
    where nothing is known.
    """
    if not in_force:
        return
    before, now = frozenset(in_force), frozenset(electorate.voters)
    changes = [*(f"+{voter}" for voter in sorted(now - before)), *(f"-{voter}" for voter in sorted(before - now))]
    if len(changes) > 1:
        raise StartError(
            f"voters {', '.join(sorted(now))}",
            f"differ from {', '.join(sorted(before))}, which elected the last leader that this node knows, by "
            f"{', '.join(changes)}, and only one voter may change at a time",
            "make one of these changes, restart all nodes one after the other, wait until there is a leader, and go on "
            f"with the next; to start over with another list, stop all nodes and remove {file} on each",
            exit_code=78,  # as for any other mistake in the file: starting it again does not help
        )
