"""The daemon under both units, as systemd itself carries them out."""

import json
import signal
from typing import Any

import pytest

from tests.cluster import until
from tests.services.conftest import LOG, Install
from tests.services.manager import CONFIG, HOOKS, LES, Manager

PLANTED = "planted-" + "0" * 43 + "\n"

# What a script finds out: about itself, and about what it may do.
PROBE = """\
#!/bin/sh
try() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }
{
    echo "uid $(id -u)"
    echo "core $(ulimit -Sc) $(ulimit -Hc)"
    sed -n 's/^\\(CapBnd\\|CapEff\\|NoNewPrivs\\|Seccomp\\):\\t/\\1 /p' /proc/self/status
    echo "etc $(try touch /etc/systemd/system/les-was-here)"
    echo "home $(try ls /root)"
    echo "others $(try ls /proc/1/)"
    cp /bin/true "$STATE/program" && chmod 755 "$STATE/program"
    echo "execute $(try "$STATE/program")"
    echo "netlink $(try ip link)"
    echo "mount $(try mount -t tmpfs tmpfs /srv)"
    echo "trace $(try ls /proc/$PPID/cwd/)"
} > "$STATE/seen"
"""


def seen(manager: Manager) -> dict[str, str]:
    """What the probe wrote."""
    text = until(lambda: _ended(manager, "/var/lib/les/seen"), "the probe has ended")
    return dict(line.split(" ", 1) for line in text.splitlines())


def _ended(manager: Manager, path: str) -> str:
    text = manager.path(path).read_text(encoding="utf-8") if manager.path(path).exists() else ""
    return text if "trace " in text else ""


def status(manager: Manager, socket: str = "/var/lib/les/control.sock") -> Any:
    """What `les status` of root says."""
    return json.loads(manager.run(LES, "status", "--json", "--socket", socket).stdout)


def trail(manager: Manager) -> list[dict[str, Any]]:
    """The audit trail."""
    return [json.loads(line) for line in manager.path("/var/lib/les/audit.jsonl").read_text().splitlines()]


def probe(manager: Manager) -> None:
    """Have the probe run when the node is elected."""
    manager.write(HOOKS / "elected.d" / "probe", PROBE.replace("$STATE", "/var/lib/les"), mode=0o755)


def test_under_the_tight_unit_a_script_can_do_next_to_nothing(manager: Manager, install: Install) -> None:
    install(root_scripts=False)
    probe(manager)
    manager.systemctl("start", "les")
    found = seen(manager)
    assert int(found.pop("uid")) >= 61184, "a user that exists only while the unit runs"
    assert found == {
        "core": "0 0",
        "CapEff": "0" * 16,
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
        "etc": "no",
        "home": "no",
        "others": "no",
        "execute": "no",
        "netlink": "no",
        "mount": "no",
        "trace": "no",
    }


def test_under_the_relaxed_unit_a_script_manages_the_host(manager: Manager, install: Install) -> None:
    install(root_scripts=True)
    probe(manager)
    manager.systemctl("start", "les")
    found = seen(manager)
    kept = int(found.pop("CapBnd"), 16)
    for number in (0, 5, 6, 7, 8, 12, 13, 21):  # CHOWN KILL SETGID SETUID SETPCAP NET_ADMIN NET_RAW SYS_ADMIN
        assert kept >> number & 1
    for number in (16, 17, 19, 22, 25, 26, 31, 34, 38, 39, 40):  # MODULE RAWIO PTRACE BOOT TIME TTY SETFCAP SYSLOG ...
        assert not kept >> number & 1
    del found["CapEff"]
    assert found == {
        "uid": "0",
        "core": "0 0",
        "NoNewPrivs": "0",
        "Seccomp": "2",
        "etc": "yes",
        "home": "yes",
        "others": "yes",
        "execute": "yes",
        "netlink": "yes",
        "mount": "yes",
        "trace": "no",
    }


@pytest.mark.parametrize("root_scripts", [False, True])
def test_ready_reload_crash_and_stop_work_as_the_page_says(
    manager: Manager, install: Install, root_scripts: bool
) -> None:
    reasons = HOOKS / "demoted.d" / "reasons"
    manager.write(reasons, '#!/bin/sh\necho "$LES_REASON" >> /var/lib/les/reasons\n', mode=0o755)
    install(root_scripts=root_scripts)
    manager.systemctl("start", "les")
    assert "leader, term 1, 1 member" in manager.systemctl("show", "-p", "StatusText", "les")

    config = manager.path(CONFIG)
    config.write_text(config.read_text() + '[hooks]\ntimeout = "20s"\n')
    manager.systemctl("reload", "les")
    assert "config.reloaded" in [record["action"] for record in trail(manager)]

    # The guard goes too, so that what is left is systemd's affair alone.
    manager.systemctl("kill", "--kill-whom=all", "--signal=KILL", "les")
    until(lambda: "crashed" in manager.path("/var/lib/les/reasons").read_text(), "the cleanup has run")
    until(lambda: manager.systemctl("is-active", "les", check=False) == "active", "it is started again")
    assert status(manager)["role"] == "leader"

    manager.systemctl("stop", "les")
    assert manager.path("/var/lib/les/reasons").read_text().split() == ["startup", "crashed", "startup", "leaving"]
    assert manager.systemctl("show", "-p", "Result", "les") == "Result=success"


def test_a_frozen_daemon_is_killed_by_the_watchdog_and_started_again(manager: Manager, install: Install) -> None:
    install(root_scripts=False, override="WatchdogSec=1")
    manager.systemctl("start", "les")
    manager.systemctl("kill", "--kill-whom=main", f"--signal={signal.SIGSTOP.name}", "les")
    until(lambda: manager.systemctl("show", "-p", "NRestarts", "les") == "NRestarts=1", "it is started again")
    until(lambda: manager.systemctl("is-active", "les", check=False) == "active", "it is ready")


def test_what_only_root_can_read_reaches_the_daemon_and_its_guard_alone(manager: Manager, install: Install) -> None:
    """A reload and the cleanup of a unit get nothing from systemd, and must do without."""
    manager.write("/opt/les/etc/secret", PLANTED, mode=0o600)
    manager.write(
        HOOKS / "demoted.d" / "reasons", '#!/bin/sh\necho "$LES_REASON" >> /var/lib/les/reasons\n', mode=0o755
    )
    secret = CONFIG.with_name("secret")
    install(root_scripts=False, credentials={"les-secret": secret}, more=f'[security]\nsecret_file = "{secret}"\n')
    manager.systemctl("start", "les")
    main = f"/proc/{manager.systemctl('show', '-P', 'MainPID', 'les')}"
    copy = f"{main}/root/run/credentials/les.service/les-secret"
    owners = manager.run("stat", "-c", "%u", copy, main).stdout.split()
    assert owners[0] == owners[1] != "0"
    assert manager.run("cat", copy).stdout == PLANTED
    told = json.loads(manager.run(LES, "check", "--json", "-c", CONFIG, check=False).stdout)
    assert not [finding for finding in told["findings"] if finding["problem"]], "as root, who is not the daemon's user"

    manager.systemctl("reload", "les")
    manager.systemctl("kill", "--kill-whom=all", "--signal=KILL", "les")
    until(lambda: "crashed" in manager.path("/var/lib/les/reasons").read_text(), "the cleanup has run")
    assert PLANTED.strip() not in manager.path(LOG).read_text()


def test_addresses_move_under_the_tight_unit_that_lets_them(manager: Manager, install: Install) -> None:
    needs = {"vip": ("CAP_NET_ADMIN", "CAP_NET_RAW", "AF_NETLINK", "AF_PACKET", "/proc/sys")}
    manager.run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    for name in ("v0", "v1"):
        manager.run("ip", "link", "set", name, "up")
    manager.run("ip", "address", "add", "10.9.8.1/24", "dev", "v0")
    install(root_scripts=False, needs=needs, more='[plugins.vip]\naddresses = ["10.9.8.7/24"]\ninterface = "v0"\n')
    manager.systemctl("start", "les")

    def addresses() -> str:
        return manager.run("ip", "-4", "address", "show", "dev", "v0").stdout

    until(lambda: "10.9.8.7/" in addresses(), "the address is taken")
    manager.systemctl("stop", "les")
    assert "10.9.8.7/" not in addresses()
    assert "10.9.8.1/24" in addresses()


def test_under_the_relaxed_unit_scripts_run_as_a_user_without_any_right(manager: Manager, install: Install) -> None:
    manager.run("install", "-d", "-m", "1777", "/srv/out")
    for event in ("elected", "demoted", "while-leader"):
        body = f'echo "$LES_REASON $(id -u) $(grep CapBnd /proc/self/status)" >> /srv/out/{event}'
        last = "trap '' TERM; while :; do sleep 0.1; done" if event == "while-leader" else ""
        manager.write(HOOKS / f"{event}.d" / "note", f"#!/bin/sh\n{body}\n{last}\n", mode=0o755)
    install(root_scripts=True, more='[hooks]\nuser = "nobody"\n')
    manager.systemctl("start", "les")
    out = manager.path("/srv/out")
    until(lambda: (out / "while-leader").exists(), "the work has begun")
    # The daemon alone: its guard ends what that user runs, and has it cleaned up as that user.
    manager.systemctl("kill", "--kill-whom=main", "--signal=KILL", "les")
    until(lambda: "crashed" in (out / "demoted").read_text(), "the cleanup has run")
    until(lambda: manager.systemctl("is-active", "les", check=False) == "active", "it is started again")
    lines = [line for path in out.iterdir() for line in path.read_text().splitlines()]
    assert {line.split(" ", 1)[1].replace("\t", " ") for line in lines} == {f"65534 CapBnd: {'0' * 16}"}
    assert {line.split()[0] for line in (out / "demoted").read_text().splitlines()} == {"startup", "crashed"}
    told = json.loads(manager.run(LES, "check", "--json", "-c", CONFIG, check=False).stdout)
    assert not [finding for finding in told["findings"] if finding["problem"]]


def test_under_the_tight_unit_no_other_user_can_be_had_and_the_start_says_so(
    manager: Manager, install: Install
) -> None:
    install(root_scripts=False, more='[hooks]\nuser = "nobody"\n')
    manager.systemctl("start", "les", check=False)
    assert manager.systemctl("show", "-p", "ExecMainStatus", "les") == "ExecMainStatus=77"
    said = manager.path(LOG).read_text()
    assert "this process lacks CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_KILL; run the daemon as root" in said


SOCKET = "/run/les/control.sock"
# Of Debian and others: a user who is in a group of the same name, and in no other.
AS_DAEMON = ("setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", LES)
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", LES)


@pytest.mark.parametrize("root_scripts", [False, True])
def test_a_group_may_ask_under_the_unit_that_lets_it(manager: Manager, install: Install, root_scripts: bool) -> None:
    more = f'[control]\ngroup = "daemon"\nsocket = "{SOCKET}"\n'
    install(root_scripts=root_scripts, group="daemon", more=more)
    manager.systemctl("start", "les")
    assert status(manager, SOCKET)["role"] == "leader"
    member = manager.run(*AS_DAEMON, "leader", "--socket", SOCKET)
    assert member.stdout == "127.0.0.1:4000\n"
    refused = manager.run(*AS_DAEMON, "leave", "--socket", SOCKET, check=False)
    assert (refused.returncode, "leave is not for uid 1," in refused.stderr) == (77, True)
    stranger = manager.run(*AS_NOBODY, "leader", "--socket", SOCKET, check=False)
    assert stranger.returncode == 77
    assert [(each["command"], each["uid"]) for each in trail(manager) if each["action"] == "operator.refused"] == [
        ("leave", 1)
    ]


def test_a_unit_that_does_not_let_the_daemon_give_its_socket_away_says_what_it_needs(
    manager: Manager, install: Install
) -> None:
    install(
        root_scripts=False,
        more=f'[control]\ngroup = "daemon"\nsocket = "{SOCKET}"\n',
        override="RuntimeDirectory=les\nRestart=no",
    )
    assert manager.run("systemctl", "start", "les", check=False).returncode != 0
    said = manager.path(LOG).read_text()
    assert f"control socket {SOCKET}: cannot be given to the group daemon by uid" in said
    assert "SupplementaryGroups=daemon, SystemCallFilter=@chown and PrivateUsers=no" in said


def test_a_secret_that_a_group_may_read_is_read_again_when_it_changes(manager: Manager, install: Install) -> None:
    """What systemd hands over is a copy, made at the start; a file that the unit's group can read is none."""
    secret = CONFIG.with_name("secret")
    manager.write(secret, "a" * 43 + "\n", mode=0o640)
    manager.run("chgrp", "daemon", secret)
    install(root_scripts=False, override="SupplementaryGroups=daemon", more=f'[security]\nsecret_file = "{secret}"\n')
    manager.systemctl("start", "les")
    manager.write(secret, "b" * 43 + "\n" + "a" * 43 + "\n", mode=0o640)
    until(lambda: "secret-read" in manager.path(LOG).read_text(), "the new secret is in force")
