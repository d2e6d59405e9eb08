"""The example for DigitalOcean: its files as they are, on loopback, against a fake of the API."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from les_hooks import plugin_call
from les_hooks.config import advice, load_config
from les_hooks.plugins import Registry
from les_hooks.security import Secrets, new_secret, write_secrets
from tests.cluster import Cluster, Daemon, until
from tests.plugins.floating_ip.fakes import TOKEN, FakeDigitalOcean

EXAMPLE = Path(__file__).parents[2] / "examples" / "digitalocean"
FILES = ("a", "b", "witness")
DROPLETS = {"a": 111, "b": 222}


class Cloud(FakeDigitalOcean):
    """The API, and what haproxy says of itself."""

    def metadata(self, path: str) -> web.StreamResponse | None:
        return web.Response() if path == "/health" else None


def test_the_files_have_the_same_voters_and_nothing_to_advise() -> None:
    a, b, witness = (load_config(EXAMPLE / f"{name}.toml", plugin_types=Registry().config_types) for name in FILES)
    assert a.cluster == b.cluster == replace(witness.cluster, role=a.cluster.role)
    assert a.cluster.voters == (a.node.advertise, b.node.advertise, witness.node.advertise)
    assert [advice(config) for config in (a, b, witness)] == [()] * 3
    assert {name: plugin.own for name, plugin in a.plugins.items()} == {
        name: plugin.own for name, plugin in b.plugins.items()
    }
    assert "LoadCredential=do-token:/etc/les/do-token" in (EXAMPLE / "les-override.conf").read_text()


def on_loopback(daemon: Daemon, name: str, addresses: dict[str, str], url: str) -> None:
    """Write its file of the example, with only that changed which differs here: what is in /etc/les is beside it."""
    text = (EXAMPLE / f"{name}.toml").read_text()
    for far, near in addresses.items():
        assert far in text
        text = text.replace(far, near)
    text = (
        text.replace("/var/lib/les", "state")
        .replace("/etc/les/", "")
        .replace("http://127.0.0.1/health", f"{url}/health")
    )
    here = f'api = "{url}"\ndroplet_id = {DROPLETS.get(name)}\n'
    daemon.config.write_text(text.replace('credential = "do-token"', f'credential = "do-token"\n{here}'))


@pytest.mark.timeout(120)
async def test_the_address_follows_the_leader_whose_daemon_is_killed_and_comes_not_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "do-token").write_text(TOKEN)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    cloud = Cloud(holder=None, seconds=0.3)
    async with cloud.serving() as url:
        cluster = Cluster(tmp_path, len(FILES))
        addresses = {f"10.114.0.{2 + i}:4000": daemon.address for i, daemon in enumerate(cluster.daemons)}
        secret = Secrets(accepted=(new_secret(),))
        for daemon, name in zip(cluster.daemons, FILES, strict=True):
            on_loopback(daemon, name, addresses, url)
            write_secrets(daemon.config.with_name("secret"), secret)
        await asyncio.to_thread(_fail_over, cluster, cloud)
    assert TOKEN not in "".join(daemon.said() for daemon in cluster.daemons)


def held_by(daemon: Daemon) -> str:
    """Who was last seen with the address."""
    rows: Any = plugin_call(daemon.socket, "floating_ip", "status")
    return str(rows[0]["holder"])


def _fail_over(cluster: Cluster, cloud: Cloud) -> None:
    a, b, _ = cluster.daemons
    with cluster:
        first = until(lambda: next((each for each in (a, b) if each.status().get("is_me")), None), "a leader")
        second = b if first is a else a
        one, other = (DROPLETS[name] for name in (("a", "b") if first is a else ("b", "a")))
        assert first.status()["security"]["mode"] == "secret"
        until(lambda: cloud.holder == one, "has the address")
        first.kill()
        until(lambda: cloud.holder == other, "the other one has it")
        until(lambda: held_by(second) == "mine", "knows it")
        first.start()
        first.wait(lambda status: status["settled"] and status["leader"] == second.address, "follows")
        assert cloud.holder == other
