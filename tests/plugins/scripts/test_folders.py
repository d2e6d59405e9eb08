"""What is found in hooks.d, in which order, and why the rest is not run."""

import os
from pathlib import Path

import pytest

from les_hooks.events import EventKind
from les_plugins.programs import Verdict
from les_plugins.scripts.folders import discover, judge, scripts_for

from .conftest import HooksDir

ME = os.getuid()


def reasons(hooks: HooksDir) -> dict[str, tuple[Verdict, str]]:
    return {
        str(entry.path.relative_to(hooks.path)): (entry.verdict, entry.reason) for entry in discover(hooks.path, ME)
    }


def test_general_scripts_come_first_and_each_folder_is_in_byte_order(hooks: HooksDir) -> None:
    for name in ("b", "B", "elected.d/9", "elected.d/10", "elected.d/a.sh", "demoted.d/x", "_", "0"):
        hooks.add(name)
    found = [str(entry.path.relative_to(hooks.path)) for entry in scripts_for(EventKind.ELECTED, hooks.path, ME)]
    assert found == ["0", "B", "_", "b", "elected.d/10", "elected.d/9", "elected.d/a.sh"]


def test_work_while_leading_is_its_folder_alone(hooks: HooksDir) -> None:
    hooks.add("general")
    hooks.add("while-leader.d/work")
    assert [entry.path.name for entry in scripts_for(EventKind.WHILE_LEADER, hooks.path, ME)] == ["work"]


def test_each_event_has_a_folder(hooks: HooksDir) -> None:
    for kind in EventKind:
        hooks.add(f"{kind}.d/script")
    found = discover(hooks.path, ME)
    assert [entry.event for entry in found] == list(EventKind)
    assert {entry.verdict for entry in found} == {Verdict.RUNS}


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert discover(tmp_path / "gone", ME) == []


@pytest.mark.parametrize(
    "name", ["x~", "x.swp", "x.bak", "x.orig", "x.rpmnew", "x.rpmsave", "x.dpkg-old", "x.dpkg-dist", "#x#"]
)
def test_left_overs_are_skipped_and_said(hooks: HooksDir, name: str) -> None:
    hooks.add(name)
    assert reasons(hooks)[name][0] is Verdict.SKIPPED


@pytest.mark.parametrize("name", ["a b", "-x", "ä", "a\nb", "a;b", "$(x)", "a'b", "a\x1b[31m"])
def test_names_with_other_characters_are_skipped_and_said(hooks: HooksDir, name: str) -> None:
    hooks.add(name)
    verdict, reason = reasons(hooks)[name]
    assert verdict is Verdict.SKIPPED
    assert "has a name with other characters" in reason


def test_a_name_that_is_no_text_is_skipped(hooks: HooksDir) -> None:
    Path(os.fsdecode(os.fsencode(hooks.path) + b"/\xff")).touch()
    assert [entry.verdict for entry in discover(hooks.path, ME)] == [Verdict.SKIPPED]


def test_files_that_cannot_run_say_why(hooks: HooksDir, tmp_path: Path) -> None:
    hooks.add("plain", mode=0o644)
    (hooks.path / "empty").touch(mode=0o755)
    os.mkfifo(hooks.path / "fifo", 0o755)
    (hooks.path / "null").symlink_to("/dev/null")
    (hooks.path / "nothing").symlink_to(tmp_path / "gone")
    (hooks.path / "circle").symlink_to("circle")
    found = reasons(hooks)
    assert found["plain"] == (Verdict.SKIPPED, f"is not executable; chmod +x {hooks.path}/plain")
    assert found["empty"] == (Verdict.SKIPPED, "is empty")
    assert found["fifo"] == found["null"] == (Verdict.SKIPPED, "is no regular file")
    assert found["nothing"] == (Verdict.SKIPPED, "is a link to nothing")
    assert found["circle"][0] is Verdict.REFUSED


def test_what_is_not_meant_to_run_is_inert(hooks: HooksDir) -> None:
    for name in ("README", "README.md", "x.disabled", ".keep"):
        hooks.add(name)
    assert {verdict for verdict, _ in reasons(hooks).values()} == {Verdict.INERT}


def test_a_link_to_a_script_runs(hooks: HooksDir) -> None:
    target = hooks.add("elected.d/real")
    (hooks.path / "link").symlink_to(target)
    assert reasons(hooks)["link"] == (Verdict.RUNS, "")


def test_a_misspelt_folder_is_said_with_what_was_meant(hooks: HooksDir) -> None:
    (hooks.path / "electd.d").mkdir()
    (hooks.path / "lib").mkdir()
    (hooks.path / "elected.d").mkdir()
    (hooks.path / "elected.d" / "demoted.d").mkdir()
    found = reasons(hooks)
    assert found["electd.d"] == (Verdict.SKIPPED, "is a folder of no known event; did you mean 'elected.d'?")
    assert found["lib"] == (Verdict.SKIPPED, "is a folder of no known event")
    assert "folders of folders" in found["elected.d/demoted.d"][1]
    assert "elected.d" not in found


def test_a_file_where_a_folder_should_be_is_refused(hooks: HooksDir) -> None:
    (hooks.path / "elected.d").touch(mode=0o755)
    assert reasons(hooks)["elected.d"] == (
        Verdict.REFUSED,
        "Not a directory; it holds the scripts, and must be a folder that the daemon can read",
    )


def test_what_others_can_write_is_refused(hooks: HooksDir) -> None:
    hooks.add("safe")
    unsafe = hooks.add("unsafe", mode=0o777)
    hooks.add("elected.d/script")
    (hooks.path / "elected.d").chmod(0o1777)
    found = {entry.path.name: entry for entry in discover(hooks.path, ME)}
    assert found["safe"].verdict is Verdict.RUNS
    assert found["unsafe"].verdict is Verdict.REFUSED
    assert f"chmod go-w {unsafe}" in found["unsafe"].reason
    assert found["elected.d"].verdict is Verdict.REFUSED


def test_a_file_can_be_looked_at_again(hooks: HooksDir) -> None:
    path = hooks.add("script")
    assert judge(path, None, ME).verdict is Verdict.RUNS
    path.chmod(0o644)
    assert judge(path, None, ME).verdict is Verdict.SKIPPED
    path.unlink()
    with pytest.raises(FileNotFoundError):
        judge(path, None, ME)
