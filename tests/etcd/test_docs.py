"""The page about etcd: what it has users type does what it says, and its table has every key."""

import os
import re
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from les_plugins.etcd.hold import reserve_of, span_of
from les_plugins.etcd.inspection import inspect
from les_plugins.etcd.settings import EtcdConfig
from tests.etcd.nodes import CLUSTER, lone
from tests.etcd.server import Server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "etcd.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(word: str) -> str:
    """The one block with this word in it."""
    (found,) = (each for each in BLOCKS if word in each)
    return str(found)


def typed(etcd: Server, commands: str, **environ: str) -> str:
    """What a shell prints that is given these."""
    shell = ["timeout", "60", "sh", "-eu"]
    told = {**os.environ, "ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": etcd.url, **environ}
    done = subprocess.run(shell, input=commands, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_has_every_key_and_its_default() -> None:
    section = PAGE.partition("\n## Configuration\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`.*?) \| ", section, re.MULTILINE)
    told = [name for names in rows for name in re.findall(r"`(\w+)`", names)]
    assert sorted(told) == sorted(field.name for field in msgspec.structs.fields(EtcdConfig))
    defaults = EtcdConfig(endpoints=("http://127.0.0.1:2379",))
    assert f'| `prefix` | `"{defaults.prefix}"` |' in PAGE
    assert f'| `ttl` | `"{defaults.ttl:g}s"` |' in PAGE


def test_the_time_of_a_leader_is_that_of_the_code() -> None:
    ttl = EtcdConfig(endpoints=("http://127.0.0.1:2379",)).ttl
    assert f"{span_of(ttl) - reserve_of(ttl):.2f} s of the default" in PAGE
    assert f"{reserve_of(1.0):g} s at least" in PAGE


async def test_the_user_that_it_makes_may_all_that_a_node_wants_and_no_more(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("THE-PASSWORD\n")
    password.chmod(0o600)
    with Server(tmp_path / "etcd") as etcd:
        typed(etcd, block("role add"))
        typed(etcd, "etcdctl user add root:root\netcdctl user grant-role root root\netcdctl auth enable\n")
        config = EtcdConfig(endpoints=(etcd.url,), username="les", password_file=password)
        assert not [line for line in await inspect(config, CLUSTER) if type(line) is str]
        elsewhere = msgspec.structs.replace(config, prefix="/other")
        assert [line for line in await inspect(elsewhere, CLUSTER) if type(line) is str]


@pytest.mark.timeout(90)
def test_a_token_is_taken_from_who_leads_alone_and_etcdctl_sees_who_that_is(tmp_path: Path) -> None:
    with Server(tmp_path / "etcd") as etcd:
        daemon = lone(tmp_path / "a", 1, [etcd.url]).start()
        try:
            status = daemon.wait(lambda told: told["is_me"], "leads")
            fenced = block("etcdctl txn")
            assert typed(etcd, fenced, LES_TERM=str(status["term"])).splitlines()[0] == "SUCCESS"
            assert typed(etcd, fenced, LES_TERM=str(status["term"] - 1)).splitlines()[0] == "FAILURE"
            seen = block("elect -l").replace("etcdctl elect", "timeout 2 etcdctl elect").rstrip() + " || true\n"
            listed = typed(etcd, seen)
            assert listed.count(f"{status['backend']['key']}\n") == 2
            assert status["backend"]["create_revision"] == status["term"]
        finally:
            daemon.kill()


@pytest.mark.timeout(90)
def test_the_revision_is_raised_where_a_node_has_seen_a_higher_term(tmp_path: Path) -> None:
    with Server(tmp_path / "etcd") as etcd:
        for number in range(20):
            etcd.ctl("put", "/x", str(number))
        daemon = lone(tmp_path / "a", 1, [etcd.url]).start()
        term = daemon.wait(lambda told: told["is_me"], "leads")["term"]
        daemon.signal(signal.SIGTERM)
        daemon.ended()
    with Server(tmp_path / "another") as other:
        daemon.config.write_text(daemon.config.read_text().replace(etcd.url, other.url))
        daemon.start()
        try:
            status = daemon.wait(lambda told: any(place["why"] for place in told["succession"]), "is unfit")
            assert f"a lower revision than the term {term}," in status["succession"][0]["why"]
            typed(other, block("seq 4711").replace("4711", str(term)))
            daemon.wait(lambda told: told["is_me"] and told["term"] > term, "leads in a higher term")
        finally:
            daemon.kill()
