import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from les_hooks.daemon.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The receiving end of a service manager, and the address that it gives its services."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@les-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name[1:] if name[0] == "@" else name)
        receiver.settimeout(5)
        yield receiver, name


def test_each_message_is_one_datagram_as_sd_notify_writes_it(manager: tuple[socket.socket, str]) -> None:
    receiver, address = manager
    service = ServiceManager({"NOTIFY_SOCKET": address})

    assert service.ready("follower of a, term 7")
    assert receiver.recv(4096) == b"READY=1\nSTATUS=follower of a, term 7"
    assert service.status("leader")
    assert receiver.recv(4096) == b"STATUS=leader"
    assert service.reloading(lambda: 123_456_789)
    assert receiver.recv(4096) == b"RELOADING=1\nMONOTONIC_USEC=123456"
    assert service.stopping("demote hooks run")
    assert receiver.recv(4096) == b"STOPPING=1\nSTATUS=demote hooks run"
    assert service.alive()
    assert receiver.recv(4096) == b"WATCHDOG=1"
    assert service.extend(12.5)
    assert receiver.recv(4096) == b"EXTEND_TIMEOUT_USEC=12500000"


def test_a_foreign_name_cannot_add_a_message(manager: tuple[socket.socket, str]) -> None:
    receiver, address = manager

    ServiceManager({"NOTIFY_SOCKET": address}).status("follower of b\nWATCHDOG=trigger\udcff")

    assert receiver.recv(4096) == b"STATUS=follower of b\\nWATCHDOG=trigger\\udcff"


def test_the_variables_are_taken_out_so_that_scripts_do_not_inherit_them() -> None:
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}

    ServiceManager(environ)

    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "address", ["", "/nowhere/notify", "@les-nobody-listens", "vsock:2:1234", "/" + "x" * 200, "\0"]
)
def test_without_a_manager_nothing_happens(address: str) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": address})

    assert not service.ready("leader")


def test_a_manager_that_does_not_read_blocks_nothing(manager: tuple[socket.socket, str]) -> None:
    _, address = manager
    service = ServiceManager({"NOTIFY_SOCKET": address})
    started = time.monotonic()

    taken = [service.status("x" * 1000) for _ in range(1000)]

    assert taken[0]
    assert not taken[-1]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        pytest.param("30000000", str(os.getpid()), 30.0, id="this-process"),
        ("30000000", "", 30.0),
        ("30000000", "1", None),
        ("", "", None),
        ("0", "", None),
        ("-5", "", None),
        ("many", "", None),
    ],
)
def test_the_watchdog_is_ours_only_where_it_names_this_process(
    microseconds: str, pid: str, seconds: float | None
) -> None:
    assert ServiceManager({"WATCHDOG_USEC": microseconds, "WATCHDOG_PID": pid}).watchdog_seconds == seconds
