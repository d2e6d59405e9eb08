"""Checks of what a backend answers when it is asked. Private to the package."""

import json
from collections.abc import Mapping

from les_hooks.testing.backends.check import checks_of
from les_hooks.testing.backends.contest import Contest
from les_hooks.testing.backends.player import Player

__all__ = ["ASKING"]


async def looking_is_possible_at_any_time(contest: Contest) -> None:
    """`look`, `mandate` and `confirming` may be had before `start`, when something was told, and after `leave`."""
    player = await contest.make(0)
    _look(contest, player, led=False)
    await player.backend.start()
    _look(contest, player, led=False)
    player.looks = True
    await player.backend.join()
    second, third = await contest.enter(1), await contest.enter(2)
    await contest.until(lambda: contest.agree(player, second, third), "three nodes name one leader")
    _look(contest, player, led=player.leads)
    await contest.leave(player, 0.0)
    player.looks = False
    _look(contest, player, led=False)


async def status_is_plain_json(contest: Contest) -> None:
    """`status` gives JSON values at any time; `summary` is a line, `warnings` are sentences, where it has them."""
    player = await contest.make(0)
    _ask(contest, player)
    await player.backend.start()
    _ask(contest, player)
    await player.backend.join()
    _ask(contest, player)
    second, third = await contest.enter(1), await contest.enter(2)
    await contest.until(lambda: contest.agree(player, second, third), "three nodes name one leader")
    _ask(contest, player)
    await contest.leave(player, 0.0)
    _ask(contest, player)


async def seeds_may_be_told_again(contest: Contest) -> None:
    """`set_seeds` with the addresses of the nodes changes nothing."""
    first, second, third = await contest.trio()
    first.backend.set_seeds(tuple(player.address for player in (first, second, third)))
    second.backend.set_seeds((first.address,))
    await contest.always(lambda: contest.agree(first, second, third) and first.leads, "nothing has changed")


def _look(contest: Contest, player: Player, *, led: bool) -> None:
    player.backend.look()
    may_act = player.backend.mandate.act_until > contest.now()
    contest.expect(may_act is led, f"a node that {'leads' if led else 'does not lead'} has authority: {may_act}")
    contest.expect(player.backend.confirming in (True, False), "`confirming` is true or false")


def _ask(contest: Contest, player: Player) -> None:
    status = player.backend.status()
    contest.expect(isinstance(status, Mapping), "`status` is a mapping")
    try:
        json.dumps(dict(status), allow_nan=False)
    except (TypeError, ValueError) as error:
        contest.expect(False, f"`status` is plain JSON: {error}")
    summary, warnings = status.get("summary", ""), status.get("warnings", [])
    contest.expect(isinstance(summary, str) and "\n" not in summary, "`summary` is one line")
    contest.expect(
        isinstance(warnings, list) and all(isinstance(warning, str) for warning in warnings), "`warnings` are sentences"
    )


ASKING = checks_of(looking_is_possible_at_any_time, status_is_plain_json, seeds_may_be_told_again)
