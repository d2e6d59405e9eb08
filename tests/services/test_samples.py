"""The sample scripts do their work under the unit that their head names, and why the other one would not do."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import until
from tests.services.conftest import Install
from tests.services.manager import HOOKS, ROOT, Manager

SAMPLES = ROOT / "hooks.d"
EXAMPLE = "/srv/example"


def enable(manager: Manager, name: str, **edits: str) -> bool:
    """Enable a sample as its head says, its variables edited; whether the unit that it names is the relaxed one."""
    text = (SAMPLES / name).read_text(encoding="utf-8")
    for variable, value in edits.items():
        text, count = re.subn(rf"(?m)^{variable}=.*$", f"{variable}={value}", text)
        assert count == 1
    manager.write(HOOKS / name, text, mode=0o755)
    named = re.search(r"(?m)^# Unit: +the (tight|relaxed) one of `les init", text)
    assert named is not None
    return named[1] == "relaxed"


def runs(manager: Manager, event: str) -> list[str]:
    """How the runs of scripts on such an event ended."""
    records = map(json.loads, manager.path("/var/lib/les/audit.jsonl").read_text(encoding="utf-8").splitlines())
    return [each["outcome"] for each in records if each["action"] == "plugin.scripts.script" and each["event"] == event]


@pytest.fixture
def syslog(manager: Manager) -> Iterator[socket.socket]:
    """The system log in there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        path = manager.path("/run/systemd/journal/dev-log")
        log.bind(str(path))
        path.chmod(0o666)
        log.settimeout(10)
        yield log


def test_log_to_syslog(manager: Manager, install: Install, syslog: socket.socket) -> None:
    install(root_scripts=enable(manager, "log-to-syslog"))
    manager.systemctl("start", "les")
    lines = [syslog.recv(4096).decode() for _ in range(3)]
    assert ["les-hooks: event=demoted reason=startup" in lines[0], lines[0].startswith("<29>")] == [True, True]
    assert any("event=elected" in line for line in lines)


def test_systemd_unit(manager: Manager, install: Install) -> None:
    manager.write("/etc/systemd/system/example.service", "[Service]\nExecStart=sleep infinity\n")
    install(root_scripts=enable(manager, "systemd-unit"))

    def state() -> str:
        return manager.systemctl("is-active", "example", check=False)

    assert state() == "inactive"
    manager.systemctl("start", "les")
    until(lambda: state() == "active", "the leader has started it")
    manager.systemctl("stop", "les")
    assert state() == "inactive"


def test_switch_symlink(manager: Manager, install: Install) -> None:
    root_scripts = enable(manager, "switch-symlink", **_links(manager))
    install(root_scripts=root_scripts)
    _switches(manager)


def test_switch_symlink_under_the_tight_unit_with_the_override_that_its_head_tells(
    manager: Manager, install: Install
) -> None:
    enable(manager, "switch-symlink", **_links(manager))
    manager.run("chown", "daemon", EXAMPLE)
    install(root_scripts=False, override=f"ReadWritePaths={EXAMPLE}\nDynamicUser=no\nUser=daemon\nGroup=daemon")
    _switches(manager)


def _links(manager: Manager) -> dict[str, str]:
    manager.write(f"{EXAMPLE}/leader.conf", "")
    return {"LINK": f"{EXAMPLE}/active.conf", "LEADER": f"{EXAMPLE}/leader.conf", "FOLLOWER": f"{EXAMPLE}/none.conf"}


def _switches(manager: Manager) -> None:
    link = manager.path(f"{EXAMPLE}/active.conf")
    manager.systemctl("start", "les")
    until(lambda: link.readlink() == Path(EXAMPLE) / "leader.conf", "the link is the leader's")
    manager.systemctl("stop", "les")
    assert link.readlink() == Path(EXAMPLE) / "none.conf"


PATH = '[plugins.scripts]\npath = "/opt/les/bin:/usr/bin:/bin"\n'


def test_send_mail(manager: Manager, install: Install) -> None:
    """As the sendmail of Postfix does, ours needs its own group, which it has by its mode."""
    _setgid_sendmail(manager)
    install(root_scripts=enable(manager, "send-mail"), more=PATH)
    group, mail = _mail(manager)
    assert group == "8"
    assert "\nSubject: [les] a leads\n" in mail


def test_send_mail_gets_no_group_under_the_tight_unit(manager: Manager, install: Install) -> None:
    _setgid_sendmail(manager)
    enable(manager, "send-mail")
    install(root_scripts=False, more=PATH)
    assert _mail(manager)[0] != "8"


def _setgid_sendmail(manager: Manager) -> None:
    manager.run("install", "-g", "8", "-m", "2755", "/usr/bin/id", "/opt/les/bin/own-group")
    text = "#!/bin/sh\n{ own-group -g; cat; } > /var/lib/les/mail.new && mv /var/lib/les/mail.new /var/lib/les/mail\n"
    manager.write("/opt/les/bin/sendmail", text, mode=0o755)


def _mail(manager: Manager) -> tuple[str, str]:
    manager.systemctl("start", "les")
    path = manager.path("/var/lib/les/mail")
    until(path.exists, "a mail is sent")
    group, _, mail = path.read_text(encoding="utf-8").partition("\n")
    return group, mail


@pytest.mark.parametrize("name", ["systemd-unit", "switch-symlink"])
def test_under_the_tight_unit_what_manages_the_host_fails_and_says_so(
    manager: Manager, install: Install, name: str
) -> None:
    manager.write("/etc/systemd/system/example.service", "[Service]\nExecStart=sleep infinity\n")
    assert enable(manager, name, **(_links(manager) if name == "switch-symlink" else {}))
    install(root_scripts=False)
    manager.systemctl("start", "les")
    assert until(lambda: runs(manager, "elected"), "it was run") == ["failure"]
    assert manager.systemctl("is-active", "example", check=False) == "inactive"


def test_every_sample_is_tried_here() -> None:
    tried = {"log-to-syslog", "send-mail", "switch-symlink", "systemd-unit"}
    assert {path.name for path in SAMPLES.iterdir()} == {"README.md", *tried}
