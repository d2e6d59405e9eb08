"""A liar with the secret at a whole daemon: what its scripts are given, where it dials, and what stands on its disk."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from les_hooks import wire
from les_hooks.election.frames import Hello, Request, Tell
from les_hooks.election.seniority import leadership
from les_hooks.events import EventKind
from les_hooks.members import Boot
from tests.backends.peers.fakes import hello
from tests.cluster import Cluster, Daemon, until
from tests.hostile.liar import LIAR, LIARS_BOOT, Lie, lying
from tests.hostile.stage import SECRET

EVIL = "$(touch evil);`touch evil`|&>evil'\\"
LONG = "-rf--help.._" + "x" * 52
# The two lanes run it side by side.
GIVEN = """
exec 9>>"$LES_STATE/given"
flock 9
{ printf 'argv:%s\\n' "$0" "$@"; env; printf 'stdin:'; cat; echo; echo end; } >&9 2>&1
"""
KNOWN = {"PATH", "LANG", "HOME", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """One node that leads alone, has a secret, and notes all that its script is given."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    given = tmp_path / "given"
    cluster = Cluster(tmp_path, 1, f'[security]\nsecret_file = "{secret}"\n')
    cluster.daemons[0].script("", "note", GIVEN.replace('"$LES_STATE/given"', str(given)))
    with cluster:
        cluster.wait_leader()
        until(lambda: given.exists() and _is_over(given.read_text()), "its script has heard of that")
        yield cluster.daemons[0]
    assert "Traceback" not in cluster.daemons[0].said()
    assert not list(tmp_path.rglob("evil*"))


def _is_over(text: str) -> bool:
    return '"kind":"leader-changed"' in text and text.endswith("end\n")


def greeting(**changes: Any) -> Hello:
    """How he begins."""
    return hello(LIAR, **{"cluster": "les", "boot": LIARS_BOOT} | changes)


def given(daemon: Daemon) -> str:
    return (daemon.folder.parent / "given").read_text()


async def test_scripts_are_given_names_and_addresses_and_no_word_of_his(daemon: Daemon) -> None:
    """Not as an argument, a variable or its name: words for people stand in no event at all."""
    boot = Boot(3, "x" * 64)
    async with lying(daemon.address, LIAR, boot, first=greeting(name=LONG, boot=boot)) as lie:
        for start_time in (2e9, 0.0):  # a member, and then the leader
            role = "leader" if start_time == 0.0 else "follower"
            # A leader yields to who knows of it alone.
            known = tuple(leadership(frame.state) for frame in lie.said if isinstance(frame, Tell))[-1:]
            await lie.tell(
                name=LONG,
                fit=start_time == 0.0,
                unfit=EVIL,
                role=role,
                led_term=9,
                start_time=start_time,
                sitting=known,
            )
            await asyncio.sleep(0.3)
        await asyncio.to_thread(until, lambda: f"LES_LEADER={LIAR}" in given(daemon), "the script hears of him")
    await asyncio.to_thread(daemon.wait, lambda status: status["is_me"], "leads again")
    text = given(daemon)
    for call in text.split("end\n")[:-1]:
        environ, _, stdin = call.partition("stdin:")
        argv = [line.removeprefix("argv:") for line in environ.splitlines() if line.startswith("argv:")]
        assert len(argv) == 2
        assert argv[0] == str(daemon.folder / "hooks.d" / "note")
        assert argv[1] in set(EventKind)
        names = {line.partition("=")[0] for line in environ.splitlines() if not line.startswith("argv:")}
        assert all(name in KNOWN or name.startswith("LES_") for name in names), names
        json.loads(stdin)
    assert EVIL not in text
    assert "touch" not in text
    assert LONG not in text, "he is called by his address"


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nLES_TERM=9", "a\0b", "$(touch evil)", "a=b", "\x1b[2J", "\u202e"])
async def test_a_name_that_is_none_reaches_no_script(daemon: Daemon, name: str) -> None:
    before = given(daemon)
    async with lying(daemon.address, first=greeting(name=name)) as lie:
        await asyncio.wait_for(lie.over.wait(), 5)
    assert given(daemon) == before
    assert await asyncio.to_thread(daemon.status)


async def test_the_terms_that_he_named_keep_the_node_from_no_start(daemon: Daemon) -> None:
    def written() -> int:
        return int(json.loads((daemon.folder / "state" / "state.json").read_text())["term"])

    async with lying(daemon.address, first=greeting()) as lie:
        await lie.tell(term=2**40, newest=2.0**33)
        # He stays until that is on the disk: a node may be killed between the hearing and the writing.
        await asyncio.to_thread(until, lambda: written() >= 2**40, "it has remembered the term")
        await lie.say(Request(number=2**53, term=2**53, sitting=False))
        await asyncio.wait_for(lie.over.wait(), 5)
    await asyncio.to_thread(daemon.wait, lambda status: status["is_me"], "leads")
    assert written() <= 2**40 + 10
    await asyncio.to_thread(daemon.kill)
    daemon.start()
    await asyncio.to_thread(daemon.wait, lambda status: status["is_me"] and status["term"] > 2**40, "leads again")


async def test_ten_thousand_frames_a_second_are_got_over(daemon: Daemon) -> None:
    """The control socket answers meanwhile, and the node leads when he is gone."""
    pid = (await asyncio.to_thread(daemon.status))["node"]["pid"]
    async with lying(daemon.address, first=greeting()) as lie:
        frames = [_message(lie, number) for number in range(500)]
        async with asyncio.timeout(20):
            for _ in range(20):
                for frame in frames:
                    await lie.say_bytes(frame)
        assert await asyncio.to_thread(daemon.status)
    alone = await asyncio.to_thread(daemon.wait, lambda now: now["is_me"] and len(now["members"]) == 1, "leads alone")
    assert alone["node"]["pid"] == pid


def _message(lie: Lie, number: int) -> bytes:
    return wire.encode(lie.told(term=number % 7, start_time=2e9 + number, serial=number))
