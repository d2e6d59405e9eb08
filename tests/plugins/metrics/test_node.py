"""The plugin in a real node, and what promtool says of all that it can tell."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families as parse

from les_hooks import Node, serve_http
from les_hooks.daemon import load_config
from les_hooks.election.roles import Role
from les_hooks.members import Part
from les_plugins.metrics.gauges import MEMBER_STATES, ROLES
from tests.backends.peers.fakes import free_port
from tests.needs import need_program
from tests.plugins.metrics.samples import RECORDS, FakeNode, scrape


@asynccontextmanager
async def browsing(folder: Path, name: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a node that leads alone."""
    port, page = free_port(), free_port()
    script = folder / "hooks.d" / "elected.d" / "note"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    flags = {
        "node.name": (name, "test"),
        "node.bind": (f"127.0.0.1:{port}", "test"),
        "node.state_dir": (str(folder / "state"), "test"),
        "cluster.seeds": ([f"127.0.0.1:{port}"], "test"),
        "hooks.dir": (str(folder / "hooks.d"), "test"),
        "http.listen": (f"127.0.0.1:{page}", "test"),
    }
    node = Node(load_config(None, flags=flags))
    async with node, serve_http(node), aiohttp.ClientSession(f"http://127.0.0.1:{page}") as browser:
        await node.wait_elected()
        await node.dispatcher.drained(5.0)
        yield browser


async def lines(browser: aiohttp.ClientSession) -> dict[str, float]:
    """The samples of a scrape, each by its name and labels."""
    async with browser.get("/metrics") as response:
        assert response.status == 200
        text = await response.text()
    samples = [sample for family in parse(text) for sample in family.samples]
    return {f"{each.name}{sorted(each.labels.values()) if each.labels else ''}": each.value for each in samples}


async def test_a_node_that_leads_tells_so_and_how_its_hooks_ended(tmp_path: Path) -> None:
    async with browsing(tmp_path, "a") as browser:
        found = await lines(browser)
        assert found["les_status_available"] == found["les_leading"] == found["les_fit"] == found["les_term"] == 1
        assert found["les_role['leader']"] == 1
        assert found["les_authority_seconds"] > 0
        assert found["les_elections_total['first']"] == 1
        assert found["les_hook_calls_total['elected', 'scripts', 'success']"] == 1
        assert found["les_hook_duration_seconds_count['elected', 'scripts']"] == 1
        assert found["les_script_runs_total['elected', 'success']"] == 1
        assert found["les_plugin_loaded['metrics']"] == 1
        assert found["les_events_waiting['role']"] == 0


async def test_two_nodes_of_one_process_tell_of_themselves_alone(tmp_path: Path) -> None:
    async with browsing(tmp_path / "a", "a") as one, browsing(tmp_path / "b", "b") as two:
        for name, browser in (("a", one), ("b", two)):
            found = await lines(browser)
            assert found["les_elections_total['first']"] == 1
            (info,) = [key for key in found if key.startswith("les_node_info")]
            assert f"'{name}'" in info


def test_promtool_finds_nothing_to_complain_about() -> None:
    """Of names, units and help texts, with something of each kind to tell."""
    text, _ = asyncio.run(scrape(FakeNode(), *RECORDS))
    argv = [need_program("promtool"), "check", "metrics"]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_closed_lists_are_those_of_the_engine() -> None:
    assert tuple(Role) == ROLES
    assert set(MEMBER_STATES) - {"fit", "unfit"} == set(Part) - {Part.MEMBER}
