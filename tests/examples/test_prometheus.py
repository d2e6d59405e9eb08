"""The example for Prometheus: its rules by promtool, its names by the plugin, and all of it over a real cluster."""

import contextlib
import json
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, free_ports, until
from tests.needs import need_program
from tests.plugins.metrics.samples import RECORDS, FakeNode, scrape

EXAMPLE = Path(__file__).parents[2] / "examples" / "prometheus"
DASHBOARD: Mapping[str, Any] = json.loads((EXAMPLE / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ANNOTATIONS = DASHBOARD["annotations"]["list"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]] + [each["expr"] for each in ANNOTATIONS]
OF_PROMETHEUS = {"up"}


def filled(query: str) -> str:
    """The query as Grafana sends it."""
    return query.replace("$__rate_interval", "1m").replace("$cluster", "web")


def names(text: str) -> set[str]:
    """The metrics that a query or a rule names."""
    return set(re.findall(r"\b(?:les|process)_[a-z_]+\b|\bup\b", re.sub(r"\(les_role\)", "", text)))


def promtool(*words: str, cwd: Path = EXAMPLE) -> str:
    """Run it; it must be content."""
    done = subprocess.run(
        [need_program("promtool"), *words], cwd=cwd, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules_and_their_tests_pass() -> None:
    assert "SUCCESS" in promtool("check", "rules", "rules.yml")
    assert "SUCCESS" in promtool("test", "rules", "rules-test.yml")


def test_each_alert_has_a_test() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", (EXAMPLE / "rules.yml").read_text()))
    tested = set(re.findall(r'alertname(?:: |=")(\w+)', (EXAMPLE / "rules-test.yml").read_text()))
    assert len(alerts) > 10
    assert alerts == tested


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    configured(tmp_path, [4080])
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml", cwd=tmp_path)


async def told() -> set[str]:
    """The names that the plugin tells, when there is something of each kind to tell."""
    text, _ = await scrape(FakeNode(), *RECORDS)
    return {re.split(r"[ {]", line)[0] for line in text.splitlines() if not line.startswith("#")}


@pytest.mark.parametrize("query", QUERIES)
async def test_what_the_dashboard_asks_for_is_told(query: str) -> None:
    assert names(query)
    assert not names(query) - await told() - OF_PROMETHEUS


async def test_what_the_alerts_look_at_is_told() -> None:
    text = re.sub(r"#.*|^ *(?:summary|description):.*", "", (EXAMPLE / "rules.yml").read_text(), flags=re.MULTILINE)
    assert len(names(text)) > 10
    assert not names(text) - await told() - OF_PROMETHEUS


async def test_the_dashboard_shows_all_that_the_plugin_tells() -> None:
    """But what is for looking closer, and what other numbers on it say already."""
    aside = {"les_build_info", "les_status_available", "les_settled", "les_stopping", "les_fit", "les_maintenance"}
    aside |= {"les_leader_known", "les_links", "les_plugin_loaded", "les_audit_degraded", "les_audit_gap_records_total"}
    aside |= {"les_webhook_failing", "les_webhook_disabled", "les_backend_failing_seconds"}
    shown = {re.sub("_(?:bucket|sum|count)$", "", name) for query in QUERIES for name in names(query)} | {"les_role"}
    ours = {re.sub("_(?:bucket|sum|count)$", "", name) for name in await told() if name.startswith("les_")}
    assert ours - aside == {name for name in shown if name.startswith("les_")}


def test_promtool_understands_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"query{number}", "expr": filled(query)} for number, query in enumerate(QUERIES)]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(QUERIES)} rules found" in promtool("check", "rules", "--lint=none", "queries.yml", cwd=tmp_path)


def test_the_dashboard_is_one() -> None:
    """What Grafana wants of a file that it imports."""
    assert DASHBOARD["title"]
    assert DASHBOARD["schemaVersion"] >= 39
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables | {"__rate_interval"}
    taken = [(y, x) for y, x in cells()]
    assert len(taken) == len(set(taken)), "panels overlap"


def cells() -> Iterator[tuple[int, int]]:
    """The places that panels take."""
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        for y in range(place["y"], place["y"] + place["h"]):
            yield from ((y, x) for x in range(place["x"], place["x"] + place["w"]))


# -- all of it, for real -----------------------------------------------------------------------------------------------


def configured(folder: Path, ports: list[int]) -> None:
    """Put the example into the folder, with nodes on these ports of loopback that want no token."""
    text = (EXAMPLE / "prometheus.yml").read_text()
    for number, port in enumerate(ports, 1):
        text = text.replace(f"10.0.0.{number}:4080", f"127.0.0.1:{port}")
    text = re.sub(r"^ +authorization:\n.*\n", "", text, flags=re.MULTILINE)
    (folder / "prometheus.yml").write_text(text.replace("15s", "1s"))
    (folder / "rules.yml").write_text((EXAMPLE / "rules.yml").read_text())


@contextlib.contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Run it over the configuration in the folder; yields its address."""
    (port,) = free_ports(1)
    argv = [
        need_program("prometheus"),
        "--config.file=prometheus.yml",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def ask(url: str, query: str) -> list[Any]:
    """What Prometheus answers to a query, nothing while it starts."""
    with contextlib.suppress(ConnectionError, urllib.error.URLError):
        where = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(where, timeout=5) as response:
            answer = json.load(response)
        assert answer["status"] == "success"
        found: list[Any] = answer["data"]["result"]
        return found
    return []


def test_prometheus_sees_who_leads_and_that_another_does(tmp_path: Path) -> None:
    ports = free_ports(3)
    cluster = Cluster(tmp_path, 3)
    for daemon, port in zip(cluster.daemons, ports, strict=True):
        daemon.config.write_text(f'{daemon.config.read_text()}\n[http]\nlisten = "127.0.0.1:{port}"\n')
        daemon.script("leader-changed", "note", "exit 0")
    configured(tmp_path, ports)
    instances = {f"127.0.0.1:{port}": daemon for daemon, port in zip(cluster.daemons, ports, strict=True)}
    with cluster, prometheus(tmp_path) as url:

        def leading() -> set[str]:
            return {each["metric"]["instance"] for each in ask(url, "les_leading == 1")}

        first = cluster.wait_leader()
        until(lambda: len(ask(url, "up == 1")) == 3, "all are asked")
        until(lambda: len(ask(url, "les_link_rtt_seconds > 0")) == 6, "round trips are known")
        until(lambda: [instances[each] for each in leading()] == [first], "it sees who leads")
        for query in QUERIES:
            ask(url, filled(query))
        first.kill()
        second = cluster.wait_leader()
        until(lambda: second in [instances[each] for each in leading()], "it sees who leads then")
        changed = 'les_leader_changes_total{reason="leader-lost"} > 0'
        until(lambda: len(ask(url, changed)) == 2, "both that are left tell of it")
        until(lambda: ask(url, 'ALERTS{alertname="LesNodeDown"}'), "the one that died is missed")
        assert not ask(url, 'ALERTS{alertname="LesTwoLeaders", alertstate="firing"}')
        run = 'sum(les_hook_calls_total{plugin="scripts", event="leader-changed", outcome="success"})'
        assert float(ask(url, run)[0]["value"][1]) >= 4
