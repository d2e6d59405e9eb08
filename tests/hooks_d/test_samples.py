"""The sample scripts are inert, clean, and do what they say, with fakes of the programs that they call."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from les_hooks.events import EventKind, Reason
from les_plugins.programs import Verdict
from les_plugins.programs.calling import call
from les_plugins.scripts import ScriptsConfig
from les_plugins.scripts.folders import discover
from tests.fake_context import an_event
from tests.needs import need_program

SAMPLES = Path(__file__).parents[2] / "hooks.d"
NAMES = ["log-to-syslog", "send-mail", "switch-symlink", "systemd-unit"]

# A fake writes down how it was called and what it read.
FAKE = '#!/bin/sh\n{ echo "$(basename "$0") $*"; [ "$(basename "$0")" != sendmail ] || cat; } >> "%s"\nexit %d\n'


class Sample:
    """A copy of one sample, as a user would make it, and what it did."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "hooks.d" / name
        self.script.parent.mkdir()
        shutil.copyfile(SAMPLES / name, self.script)
        self.script.chmod(0o755)
        self._log = folder / "called"
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.fake(exit_code=0)

    def fake(self, exit_code: int) -> None:
        """Put fakes that exit so before the real programs."""
        for name in ("logger", "sendmail", "systemctl"):
            (self._bin / name).write_text(FAKE % (self._log, exit_code), encoding="utf-8")
            (self._bin / name).chmod(0o755)

    def edit(self, old: str, new: str) -> None:
        """Edit it as its head says."""
        text = self.script.read_text(encoding="utf-8")
        assert old in text
        self.script.write_text(text.replace(old, new), encoding="utf-8")

    def on(self, kind: EventKind, **fields: object) -> "subprocess.CompletedProcess[str]":
        """Run it as the plugin would."""
        called = call(self.script, an_event(kind, **fields), f"{self._bin}:{ScriptsConfig(timeout=30.0).path}", 30.0)
        return subprocess.run(
            called.argv, env=called.env, input=called.stdin, cwd="/", text=True, capture_output=True, timeout=10
        )

    def did(self) -> str:
        """What the fakes were asked since the last time."""
        text = self._log.read_text(encoding="utf-8") if self._log.exists() else ""
        self._log.unlink(missing_ok=True)
        return text


@pytest.fixture
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Sample:
    """The sample of this name."""
    return Sample(request.param, tmp_path)


def test_these_are_all_samples() -> None:
    assert sorted(path.name for path in SAMPLES.iterdir()) == ["README.md", *NAMES]


def test_samples_are_inert_until_they_are_made_executable(tmp_path: Path) -> None:
    assert all(not path.stat().st_mode & 0o111 for path in SAMPLES.iterdir())
    # A copy, because somebody else may own the source tree.
    for path in SAMPLES.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
        (tmp_path / path.name).chmod(0o644)
    assert {entry.verdict for entry in discover(tmp_path, os.getuid())} == {Verdict.INERT, Verdict.SKIPPED}
    for name in NAMES:
        (tmp_path / name).chmod(0o755)
    runs = [entry.path.name for entry in discover(tmp_path, os.getuid()) if entry.verdict is Verdict.RUNS]
    assert runs == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_head_says_what_to_edit_how_to_enable_it_and_which_unit_it_needs(name: str) -> None:
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
    head = "\n".join(lines[: lines.index("set -eu")])
    assert lines[0] == "#!/bin/sh"
    assert all(f"\n# {word}:" in head for word in ("Edit", "Enable", "Unit", "Needs"))
    assert "les init" in head
    assert f"`{name}`" in (SAMPLES / "README.md").read_text(encoding="utf-8")


def test_samples_are_clean_for_shellcheck() -> None:
    result = subprocess.run(
        [need_program("shellcheck"), "--shell=sh", *(str(SAMPLES / name) for name in NAMES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.stdout + result.stderr == ""


@pytest.mark.parametrize("sample", NAMES, indirect=True)
@pytest.mark.parametrize("kind", [kind for kind in EventKind if kind is not EventKind.WHILE_LEADER])
def test_every_sample_takes_every_event_twice(sample: Sample, kind: EventKind, tmp_path: Path) -> None:
    if sample.script.name == "switch-symlink":
        sample.edit("/etc/example", str(tmp_path))
    for replay in (False, True):
        result = sample.on(kind, replay=replay, leader=None, previous_leader=None)
        assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("sample", ["log-to-syslog"], indirect=True)
def test_syslog_gets_one_line_for_each_event(sample: Sample) -> None:
    sample.on(EventKind.ELECTED)
    assert sample.did() == (
        "logger -t les-hooks -p daemon.notice -- event=elected reason=leader-lost cluster=web node=a role=leader "
        "term=3 leader=10.0.0.1:4000 previous=10.0.0.2:4000 member=- replay=0 id=n1-1-7\n"
    )
    sample.on(EventKind.MEMBER_LOST, member="10.0.0.3:4000")
    line = sample.did()
    assert "-p daemon.warning" in line
    assert "member=10.0.0.3:4000" in line


@pytest.mark.parametrize("sample", ["send-mail"], indirect=True)
def test_mail_goes_out_when_leadership_moves_and_the_leader_tells_of_losses(sample: Sample) -> None:
    sample.on(EventKind.ELECTED)
    mail = sample.did()
    assert mail.startswith("sendmail -i -t\nFrom: root\nTo: root\nSubject: [web] a leads\n")
    assert "\n\na leads (leader-lost).\n" in mail
    sample.on(EventKind.DEMOTED, role="follower", reason=Reason.CONFLICT)
    assert "Subject: [web] a no longer leads\n" in sample.did()
    sample.on(EventKind.MEMBER_LOST, member="10.0.0.3:4000")
    assert "Subject: [web] 10.0.0.3:4000 is lost\n" in sample.did()


@pytest.mark.parametrize("sample", ["send-mail"], indirect=True)
def test_no_mail_for_what_is_no_news_or_somebody_elses_to_tell(sample: Sample) -> None:
    sample.on(EventKind.ELECTED, replay=True)
    sample.on(EventKind.DEMOTED, reason=Reason.STARTUP)
    sample.on(EventKind.MEMBER_LOST, role="follower")
    sample.on(EventKind.LEADER_CHANGED)
    assert sample.did() == ""


@pytest.mark.parametrize("sample", ["send-mail"], indirect=True)
def test_no_name_can_add_a_header_or_run_a_command(sample: Sample, tmp_path: Path) -> None:
    sample.on(EventKind.ELECTED, name=f"a\nBcc: x@example.org\n$(touch {tmp_path}/pwned)`touch {tmp_path}/pwned`")
    mail = sample.did()
    assert "\nBcc:" not in mail
    assert f"$(touch {tmp_path}/pwned)`touch {tmp_path}/pwned` leads" in mail
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("sample", ["systemd-unit"], indirect=True)
def test_the_unit_runs_on_the_leader_alone(sample: Sample) -> None:
    sample.edit("UNIT=example.service", "UNIT=job@1.service")
    for kind, call_made in (
        (EventKind.ELECTED, "systemctl start job@1.service\n"),
        (EventKind.REASSERTED, "systemctl start job@1.service\n"),
        (EventKind.DEMOTED, "systemctl stop job@1.service\n"),
        (EventKind.MEMBER_LOST, ""),
    ):
        sample.on(kind)
        assert sample.did() == call_made


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ("systemd-unit", EventKind.ELECTED),
        ("systemd-unit", EventKind.DEMOTED),
        ("send-mail", EventKind.ELECTED),
        ("log-to-syslog", EventKind.ELECTED),
    ],
    indirect=["sample"],
)
def test_a_program_that_fails_makes_the_script_fail(sample: Sample, kind: EventKind) -> None:
    sample.fake(exit_code=5)
    assert sample.on(kind).returncode == 5


@pytest.mark.parametrize("sample", ["switch-symlink"], indirect=True)
def test_the_link_points_at_the_roles_target_and_nothing_else_is_left(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "example"
    (folder / "leader.conf").mkdir(parents=True)  # a target that is a folder: the link is replaced, not entered
    sample.edit("/etc/example", str(folder))
    for kind, target in (
        (EventKind.DEMOTED, "follower.conf"),
        (EventKind.ELECTED, "leader.conf"),
        (EventKind.ELECTED, "leader.conf"),
        (EventKind.LEADER_CHANGED, "leader.conf"),
        (EventKind.DEMOTED, "follower.conf"),
    ):
        assert sample.on(kind).returncode == 0
        assert os.readlink(folder / "active.conf") == str(folder / target)
        assert sorted(path.name for path in folder.iterdir()) == ["active.conf", "leader.conf"]


@pytest.mark.parametrize("sample", ["switch-symlink"], indirect=True)
def test_a_link_that_cannot_be_switched_is_a_failure_and_leaves_nothing(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "example"
    (folder / "active.conf" / "in the way").mkdir(parents=True)
    sample.edit("/etc/example", str(folder))
    assert sample.on(EventKind.ELECTED).returncode != 0
    assert sorted(path.name for path in folder.iterdir()) == ["active.conf"]
