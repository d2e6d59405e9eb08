"""Every kind of check, against the real thing: fit, unfit, and what hangs."""

import asyncio
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from les_plugins.checks.kinds import interface, ping, process, routes
from les_plugins.checks.probes import probe_of
from les_plugins.checks.settings import Check
from tests.cluster import free_ports, until
from tests.plugins.checks.conftest import ChecksDir, Configured
from tests.plugins.checks.servers import answering, page, serving


async def look(configured: Configured, *, path: str = "/usr/bin:/bin", **keys: Any) -> str:
    """Run one such check once."""
    return await probe_of(Check(**({"timeout": 0.5} | keys)), configured(path=path))()


# -- tcp ---------------------------------------------------------------------------------------------------------------


async def test_tcp_is_fit_where_something_accepts(configured: Configured) -> None:
    async with serving(answering(b"")) as port:
        assert await look(configured, tcp=f"127.0.0.1:{port}") == ""
        assert await look(configured, tcp=f"localhost:{port}") == ""


async def test_tcp_over_ipv6(configured: Configured) -> None:
    async with serving(answering(b""), "::1") as port:
        assert await look(configured, tcp=f"[::1]:{port}") == ""


async def test_tcp_is_unfit_where_nobody_listens(configured: Configured) -> None:
    (port,) = free_ports(1)
    assert await look(configured, tcp=f"127.0.0.1:{port}") == "connection refused"


async def test_tcp_is_unfit_where_nobody_accepts_in_time(configured: Configured) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        try:
            assert await look(configured, tcp=f"127.0.0.1:{address[1]}", timeout=0.2) == "no answer within 0.2 s"
        finally:
            for each in waiting:
                each.close()


async def test_a_name_that_nobody_knows_is_told(configured: Configured) -> None:
    why = await look(configured, tcp="no-such-host.invalid:80", timeout=5.0)
    assert why.startswith(("its name cannot be looked up", "no answer within"))


async def test_a_name_server_that_hangs_holds_one_thread(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def hang(host: str, *_: object, **__: object) -> list[object]:
        calls.append(host)
        time.sleep(0.6)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    probe = probe_of(Check(tcp="db.example:1", timeout=0.1), configured())  # type: ignore[arg-type]  # an address
    assert [await probe() for _ in range(3)] == ["no answer within 0.1 s"] * 3
    assert calls == ["db.example"]
    await asyncio.sleep(0.6)
    assert await probe() == "no answer within 0.1 s"
    assert len(calls) == 2
    await asyncio.sleep(0.6)


# -- http --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "keys", "why"),
    [
        (page("200 OK", b"fine"), {}, ""),
        (page("204 No Content"), {}, ""),
        (page("503 Service Unavailable", b"no"), {}, "answers 503"),
        (page("404 Not Found"), {"status": (404, 404)}, ""),
        (page("200 OK"), {"status": (300, 399)}, "answers 200"),
        (page("302 Found", b"", "Location: /elsewhere"), {}, "answers 302"),
        (
            page("302 Found", b"", "Location: /elsewhere"),
            {"follow_redirects": True},
            "redirects more than 5 times",
        ),
        (page("200 OK", b"x" * 10**6), {}, ""),
        (b"", {}, "hangs up without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", {}, "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 10**5 + b"\r\n\r\n", {}, "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", {}, "hangs up in the middle of its answer"),
    ],
    ids=itertools.count(),
)
async def test_http_judges_the_answer(configured: Configured, answer: bytes, keys: dict[str, Any], why: str) -> None:
    async with serving(answering(answer)) as port:
        found = await look(configured, http=f"http://127.0.0.1:{port}/health", timeout=5.0, **keys)
    assert found == why


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
async def test_a_server_that_hangs_at_any_point_is_unfit(configured: Configured, answer: bytes) -> None:
    async with serving(answering(answer, then_hang=True)) as port:
        assert await look(configured, http=f"http://127.0.0.1:{port}/", timeout=0.2) == "no answer within 0.2 s"


async def test_an_answer_without_an_end_is_read_up_to_a_bound(configured: Configured) -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 4096)
            sent += 4096
            await writer.drain()

    async with serving(pour) as port:
        assert await look(configured, http=f"http://127.0.0.1:{port}/", timeout=5.0) == ""
    assert sent < 32 * 2**20


async def test_http_follows_a_redirect_if_it_is_asked_to(configured: Configured) -> None:
    async with serving(answering(page("200 OK"))) as good:
        moved = page("301 Moved", b"", f"Location: http://127.0.0.1:{good}/")
        async with serving(answering(moved)) as port:
            assert await look(configured, http=f"http://127.0.0.1:{port}/", follow_redirects=True, timeout=5.0) == ""


async def test_http_where_nobody_listens_and_where_there_is_no_tls(configured: Configured) -> None:
    (port,) = free_ports(1)
    assert await look(configured, http=f"http://127.0.0.1:{port}/", timeout=5.0) == "connection refused"
    async with serving(answering(page("200 OK"))) as plain:
        assert await look(configured, http=f"https://127.0.0.1:{plain}/") != ""


# -- process -----------------------------------------------------------------------------------------------------------


@contextmanager
def running(program: Path | str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    started = subprocess.Popen([str(program), *words])
    try:
        yield started
    finally:
        started.kill()
        started.wait()


async def test_a_process_is_found_by_name_and_by_path_as_long_as_it_runs(
    configured: Configured, tmp_path: Path
) -> None:
    program = tmp_path / "les-sleeper"
    shutil.copy("/bin/sleep", program)
    assert await look(configured, process="les-sleeper") == "does not run"
    assert (await look(configured, process=str(program))).startswith("does not run")
    with running(program, "60") as started:
        until(lambda: os.readlink(f"/proc/{started.pid}/exe") == str(program), "exec")
        assert await look(configured, process="les-sleeper") == ""
        assert await look(configured, process=str(program)) == ""
        program.unlink()  # an upgrade replaces it, and it runs on
        assert await look(configured, process=str(program)) == ""
        started.kill()
        until(lambda: Path(f"/proc/{started.pid}/stat").read_text().split()[2] == "Z", "a zombie")
        assert await look(configured, process="les-sleeper") == "does not run"


async def test_a_script_with_a_long_name_is_found_by_all_of_it(configured: Configured, folder: ChecksDir) -> None:
    script = folder.add("les-a-script-with-a-long-name", "sleep 60 & echo $! >$OUT; wait")
    with running(script) as started:
        until(folder.noted, "the script runs")
        try:
            assert await look(configured, process="les-a-script-with-a-long-name") == ""
            assert await look(configured, process="les-a-script-with-another-one") == "does not run"
        finally:
            os.kill(int(folder.noted()[0]), signal.SIGKILL)
        started.kill()


def test_names_with_brackets_and_blanks_are_read_right(tmp_path: Path) -> None:
    for pid, line in {"1": "1 (a) b (c) S 0", "2": "2 (gone) Z 0", "3": "", "self": "9 (x) S 0"}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(line)
    assert process.look_for("a) b (c", tmp_path) == ""
    assert process.look_for("gone", tmp_path) == "does not run"
    assert process.look_for("x", tmp_path) == "does not run"


# -- unit --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo active", ""),
        ("echo inactive; exit 3", "is inactive"),
        ("echo failed; exit 3", "is failed"),
        (
            "echo 'System has not been booted with systemd as init system' >&2; exit 1",
            "System has not been booted with systemd as init system",
        ),
        ("exit 1", "systemctl exited with 1"),
        ("sleep 60", "systemctl did not answer within 0.5 s"),
    ],
)
async def test_a_unit_is_what_systemctl_says(configured: Configured, folder: ChecksDir, body: str, why: str) -> None:
    folder.add("systemctl", f'echo "$*" >>$OUT; {body}')
    path = f"{folder.path}:/usr/bin:/bin"
    assert await look(configured, unit="a b.service".replace(" ", ""), path=path) == why
    assert folder.noted() == ["is-active -- ab.service"]


async def test_without_systemctl_a_unit_is_unfit(configured: Configured, tmp_path: Path) -> None:
    assert "there is no systemctl" in await look(configured, unit="nginx", path=str(tmp_path))


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs here")
@pytest.mark.skipif(shutil.which("systemctl") is None, reason="there is no systemctl here")
async def test_the_real_systemctl_without_systemd_is_unfit_and_says_why(configured: Configured) -> None:
    assert await look(configured, unit="nginx.service", timeout=5.0) != ""


# -- interface ---------------------------------------------------------------------------------------------------------


async def test_the_loopback_interface_is_up_and_one_that_is_not_there_is_not(configured: Configured) -> None:
    assert await look(configured, interface="lo") == ""
    assert await look(configured, interface="nosuch0") == "there is no such interface"


@pytest.mark.parametrize(
    ("state", "carrier", "why"),
    [
        ("up", "1", ""),
        ("down", None, "is down"),
        ("lowerlayerdown", "0", "is down: the interface below it is"),
        ("dormant", "1", "is dormant"),
        ("unknown", "1", ""),
        ("unknown", "0", "is unknown"),
        ("unknown", None, "is unknown"),
        (None, None, "is unknown"),
    ],
)
def test_what_the_kernel_says_of_an_interface(tmp_path: Path, state: str | None, carrier: str | None, why: str) -> None:
    (tmp_path / "eth0").mkdir()
    for name, value in (("operstate", state), ("carrier", carrier)):
        if value is not None:
            (tmp_path / "eth0" / name).write_text(f"{value}\n")
    assert interface.look_at("eth0", tmp_path) == why


# -- gateway -----------------------------------------------------------------------------------------------------------

pings = pytest.mark.skipif(bool(ping.cannot_ping("127.0.0.1")), reason="the kernel lets this user send no echo request")


@pings
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_host_that_answers_is_fit(configured: Configured, host: str) -> None:
    assert await look(configured, gateway=host) == ""


@pings
async def test_many_pings_at_once_take_their_own_answers(configured: Configured) -> None:
    assert (
        await asyncio.gather(*(look(configured, gateway=f"127.0.0.{n}", timeout=5.0) for n in range(1, 60)))
        == [""] * 59
    )


NAMESPACE = """
import asyncio, ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x40000000):
    sys.exit(77)
from les_plugins.checks.kinds.ping import ping
async def look(host, limit):
    try:
        async with asyncio.timeout(limit):
            return await ping(host)
    except TimeoutError:
        return "silence"
answers = [asyncio.run(look("192.0.2.1", 5))]
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
answers.append(asyncio.run(look("127.0.0.1", 5)))
with open("/proc/sys/net/ipv4/ping_group_range", "w") as file:
    file.write("0 0")
answers.append(asyncio.run(look("127.0.0.1", 5)))
with open("/proc/sys/net/ipv4/icmp_echo_ignore_all", "w") as file:
    file.write("1")
answers.append(asyncio.run(look("127.0.0.1", 0.3)))
with open("/proc/sys/net/ipv4/ping_group_range", "w") as file:
    file.write("1 0")
os.setgid(65534)
os.setuid(65534)
answers.append(asyncio.run(look("127.0.0.1", 5)))
print(answers)
"""


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("ip") is None, reason="makes a network of its own, as root")
def test_no_route_raw_and_unprivileged_sockets_silence_and_no_rights_at_all() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NAMESPACE],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode == 77:
        pytest.skip("this kernel gives no network namespace")
    assert done.returncode == 0, done.stderr
    answers = eval(done.stdout)
    assert answers[:4] == ["network is unreachable", "", "", "silence"]
    assert answers[4].startswith("may not send an echo request; put the daemon's group into")


ROUTE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0202000A\t0003\t0\t0\t200\t00000000\t0\t0\t0
eth0\t00000000\t0102000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth2\t00000000\t0302000A\t0002\t0\t0\t1\t00000000\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t1\t00000000\t0\t0\t0
tun0\t00000000\t0102000A\t0003\t0\t0\t1\t00000080\t0\t0\t0
eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
ROUTE_6 = (
    f"{'0' * 32} 00 {'0' * 32} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth0\n"
    f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200       lo\n"
)


@pytest.mark.skipif(sys.byteorder != "little", reason="the example is of a little-endian host")
def test_the_default_gateway_is_that_of_the_lowest_metric_and_of_ipv6_where_there_is_no_other(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no default route with a gateway"):
        routes.default_gateway(tmp_path)
    (tmp_path / "ipv6_route").write_text(ROUTE_6)
    assert routes.default_gateway(tmp_path) == "fe80::1%eth0"
    (tmp_path / "route").write_text(ROUTE)
    assert routes.default_gateway(tmp_path) == "10.0.2.1"


# -- scripts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("exit 0", ""),
        ("echo fine; exit 0", ""),
        ("exit 3", "exited with 3"),
        ("echo one; echo two >&2; exit 1", "exited with 1: two"),
        ("kill -9 $$", "was ended by signal 9"),
        ("echo waiting; sleep 60", "did not end within 0.5 s: waiting"),
        ("trap '' TERM; sleep 60", "did not end within 0.5 s"),
    ],
)
async def test_a_script_is_judged_by_how_it_exits(
    configured: Configured, folder: ChecksDir, body: str, why: str
) -> None:
    folder.add("x", body)
    assert await look(configured, script="x") == why


async def test_a_script_gets_one_argument_and_an_environment_of_its_own(
    configured: Configured, folder: ChecksDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "1")
    folder.add("x", 'echo "$# $1" >>$OUT; env | cut -d= -f1 | sort >>$OUT')
    assert await look(configured, script="x", timeout=5.0) == ""
    assert folder.noted()[0] == "1 check"
    assert set(folder.noted()[1:]) == {"HOME", "LANG", "LES_HOOK_API", "LES_RUN", "PATH", "PWD"}


async def test_what_a_script_leaves_behind_is_ended_with_it(configured: Configured, folder: ChecksDir) -> None:
    folder.add("x", "sleep 60 & echo $! >$OUT; exit 0")
    assert await look(configured, script="x", timeout=5.0) == ""
    stat = Path(f"/proc/{folder.noted()[0]}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"  # whose end nobody has asked for yet


async def test_a_script_that_may_not_run_or_is_gone_is_unfit(configured: Configured, folder: ChecksDir) -> None:
    folder.add("plain", mode=0o644)
    assert (await look(configured, script="plain")).startswith("is not executable; chmod +x")
    assert await look(configured, script="gone") == "is gone"
    bad = folder.add("bad")
    bad.write_text("#!/no/such/interpreter\n")
    assert "the interpreter in its first line does not exist" in await look(configured, script="bad")


async def test_a_script_that_others_could_write_is_unfit(configured: Configured, folder: ChecksDir) -> None:
    folder.add("open", mode=0o777)
    assert "others could write it" in await look(configured, script="open")
