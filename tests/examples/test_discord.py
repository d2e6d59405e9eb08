"""The example of a format by a third party: tested by its own tests, and used by the webhooks of a real daemon."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.backends.peers.fakes import free_port
from tests.examples.installing import daemon, install, les, own_tests
from tests.plugins.webhook.receivers import Receiver


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    return install("les-hooks-discord", tmp_path_factory)


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    assert "5 passed" in own_tests("les-hooks-discord", installed, tmp_path)


CONFIG = """
[node]
name = "a"
bind = "127.0.0.1:{port}"
state_dir = "state"
[cluster]
seeds = ["127.0.0.1:{port}"]
[plugins.discord]
username = "leader"
[[plugins.webhook.endpoints]]
name = "chat"
url_file = "url"
format = "{format}"
events = ["elected"]
allow_http = true
"""


def write(folder: Path, url: str, format_name: str = "discord") -> None:
    (folder / "les.toml").write_text(CONFIG.format(port=free_port(), format=format_name))
    (folder / "url").write_text(f"{url}/api/webhooks/1/s3cr3ttoken?wait=true")
    (folder / "url").chmod(0o600)
    (folder / "hooks.d").mkdir(exist_ok=True)


async def test_a_daemon_posts_in_its_format(installed: Path, tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.serving() as url:
        write(tmp_path, url)
        with daemon(tmp_path, installed) as process:
            async with asyncio.timeout(20):
                while not receiver.posted:
                    assert process.poll() is None, (tmp_path / "log").read_text()
                    await asyncio.sleep(0.05)
            tested = await asyncio.to_thread(les, tmp_path, installed, "webhooks", "test", "chat")
    assert tested.returncode == 0, tested.stderr
    told, sample = (json.loads(posted.body) for posted in receiver.posted)
    assert told["username"] == "leader"
    assert told["content"].startswith("les: a leads now (term 1)")
    assert sample["content"].startswith("[test] ")
    everything = tested.stdout + (tmp_path / "log").read_text() + (tmp_path / "state" / "audit.jsonl").read_text()
    assert "s3cr3ttoken" not in everything


def test_a_misspelt_format_is_said_with_those_that_there_are(installed: Path, tmp_path: Path) -> None:
    write(tmp_path, "http://127.0.0.1:1", "discrod")
    checked = les(tmp_path, installed, "check")
    assert checked.returncode != 0
    assert "there is no format 'discrod'; there are cloudevents, discord, slack" in checked.stdout + checked.stderr
