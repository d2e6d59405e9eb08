"""What programs have of the daemon that starts them: nothing of its environment, and none of its descriptors.

A real daemon with a script, a check and a provider's program, as the same user and as another.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cluster import Daemon, free_ports, until
from tests.needs import need_program, need_root

FOREIGN = {
    "BASH_ENV": "/tmp/evil",
    "BASH_FUNC_cat%%": "() { echo evil; }",
    "CDPATH": "/tmp",
    "ENV": "/tmp/evil",
    "GCONV_PATH": "/tmp",
    "IFS": "x",
    "LD_AUDIT": "/tmp/no-such-lib.so",
    "LD_LIBRARY_PATH": "/tmp",
    "LD_PRELOAD": "/tmp/no-such-lib.so",
    "LES_RUN": "another",
    "LES_SECRET": "planted",
    "NOTIFY_SOCKET": "/tmp/no-such-socket",
    "PERL5LIB": "/tmp",
    "PYTHONPATH": "/tmp",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "http_proxy": "http://192.0.2.1:1",
}
"""What a daemon may well have, and no program of its."""

GIVEN = {"PATH", "LANG", "HOME", "LES_HOOK_API", "LES_RUN"}
EVENT = {
    *("LES_EVENT", "LES_EVENT_ID", "LES_SEQ", "LES_TIME", "LES_NODE", "LES_NAME", "LES_CLUSTER", "LES_ROLE"),
    *("LES_TERM", "LES_LEADER", "LES_PREVIOUS_LEADER", "LES_MEMBER", "LES_MEMBERS", "LES_REASON", "LES_REPLAY"),
    "LES_DEADLINE",
}

PROVIDER = """
[[plugins.floating_ip.command]]
address = "203.0.113.7"
get = ["{program}", "get"]
assign = ["{program}", "assign"]
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter, with one in it that everybody can write."""
    path = Path(tempfile.mkdtemp(prefix="les-surroundings-", dir="/tmp"))
    path.chmod(0o755)
    (path / "out").mkdir()
    (path / "out").chmod(0o1777)
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=[None, "nobody"])
def noted(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[str | None, Path]]:
    """The folder in which a script, a check and a provider's program have noted what they have; and whose they are."""
    user = request.param
    if user is not None:
        need_root()
        need_program("setpriv")
    (port,) = free_ports(1)
    program = folder / "a" / "provider"
    users = f'[hooks]\nuser = "{user}"\n' if user else ""
    daemon = Daemon(folder / "a", port, [port], f"{users}[plugins.checks]\n{PROVIDER.format(program=program)}")
    out = folder / "out"
    note = f"cat /proc/$$/environ >{out}/{{0}}-env; ls -l /proc/self/fd >{out}/{{0}}-fd; id -u >{out}/{{0}}-uid"
    daemon.script("elected", "script", note.format("script"))
    (folder / "a" / "checks.d").mkdir()
    for path, name, rest in (
        (folder / "a" / "checks.d" / "check", "check", "true"),
        (program, "provider", "echo mine"),
    ):
        path.write_text(f"#!/bin/sh\n{note.format(name)}\n{rest}\n")
        path.chmod(0o755)
    daemon.start(environ=FOREIGN)
    try:
        names = {f"{name}-{what}" for name in ("script", "check", "provider") for what in ("env", "fd", "uid")}
        until(lambda: names <= {path.name for path in out.iterdir() if path.stat().st_size}, "all three have run")
        yield user, out
    finally:
        daemon.signal(signal.SIGTERM)
        assert daemon.process is not None
        daemon.process.wait(15)


def environment(path: Path) -> Mapping[str, str]:
    variables = path.read_bytes().rstrip(b"\0").split(b"\0")
    return dict(variable.decode().split("=", 1) for variable in variables)


def test_no_program_has_anything_of_the_daemons_environment_or_its_descriptors(
    noted: tuple[str | None, Path],
) -> None:
    user, out = noted
    for name in ("script", "check", "provider"):
        found = environment(out / f"{name}-env")
        allowed = GIVEN | (set() if name == "check" else EVENT | {"LES_ADDRESS"})
        assert found.keys() <= allowed, name
        assert not {"planted", "another"} & set(found.values())
        assert found["HOME"] == ("/nonexistent" if user else os.environ.get("HOME", "/"))
        assert (out / f"{name}-uid").read_text().strip() == ("65534" if user else str(os.geteuid()))
        links = [line.split(" -> ") for line in (out / f"{name}-fd").read_text().splitlines() if " -> " in line]
        opened = {words[0].split()[-1]: words[1] for words in links}
        # What the shell had, `ls` has too: 1 is the file that it writes to, and 3 the folder that it reads.
        assert opened.keys() <= {"0", "1", "2", "3"}, name
        assert opened["3"].startswith("/proc/")
        assert all(opened[each].startswith("pipe:") or opened[each] == "/dev/null" for each in ("0", "2")), name
