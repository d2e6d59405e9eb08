"""The group of all commands: plugins' commands, errors, colours, and what a quick start asks for."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from les_hooks.cli import group, output, plugin_commands
from les_hooks.errors import ConfigError, ControlError, PeerError, Problem, StartError
from les_hooks.hookspecs import hookimpl
from les_hooks.plugins import Registry
from tests.cli.conftest import Les
from tests.control.test_requests import Point


class Greeter:
    """A plugin with commands."""

    @hookimpl
    def commands(self, cli: click.Group) -> None:
        """Add one of its own, and one under a name that is taken."""
        cli.add_command(click.Command("greet", callback=lambda: click.echo("hello"), help="Greet."))
        cli.add_command(click.Command("status", callback=lambda: click.echo("fooled")))


class Broken:
    """A plugin whose commands cannot be had."""

    @hookimpl
    def commands(self, cli: click.Group) -> None:
        """End the process, if it may."""
        raise SystemExit(9)


@pytest.fixture
def les(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Les:
    """A command line with these two plugins."""
    config_file.write_text(config_file.read_text() + "[plugins.broken]\n[plugins.greeter]\n")
    points = [Point("broken", "broken", Broken()), Point("greeter", "greeter", Greeter())]
    monkeypatch.setattr(plugin_commands, "Registry", lambda: Registry(points))
    monkeypatch.setattr(group.cli, "commands", {})
    monkeypatch.chdir(config_file.parent)
    return Les(config_file)


def _run(*words: str) -> SimpleNamespace:
    result = CliRunner().invoke(group.cli, words)
    return SimpleNamespace(code=result.exit_code, out=result.stdout, err=result.stderr)


def test_plugins_add_commands_and_a_broken_one_takes_nothing_away(les: Les) -> None:
    greeted = _run("-c", str(les.config), "greet")
    assert (greeted.code, greeted.out) == (0, "hello\n")
    assert "the commands of plugin broken cannot be loaded: SystemExit(9)" in greeted.err
    shown = _run("-c", str(les.config), "--help").out
    assert "greet" in shown
    assert "fooled" not in _run("-c", str(les.config), "status").out


def test_a_broken_configuration_does_not_take_the_help_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "les.toml").write_text("nonsense")
    monkeypatch.chdir(tmp_path)
    assert "step-down" in _run("--help").out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError((Problem(where="les.toml:1:1", key="a.b", message="is wrong"),)), 78),
        (ControlError("no daemon answers", 69), 69),
        (ControlError("failed"), 1),
        (StartError("port 4000", "is in use", "stop what has it"), 1),
        (StartError("state directory /x", "belongs to uid 7", "run as its owner", 77), 77),
        (PeerError("b", "is odd"), 1),
        (PermissionError("no"), 77),
    ],
)
def test_each_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert group.exit_code(error) == code


def test_a_start_that_the_system_forbids_is_a_matter_of_permission() -> None:
    error = StartError("state directory /x", "cannot be used", "make it writable")
    error.__cause__ = PermissionError()
    assert group.exit_code(error) == 77


def test_tables_are_aligned_and_escape_what_is_foreign(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("a", "long"), [("x\x1b[2J", "1"), ("yy", output.Cell("22", "red"))])
    assert capsys.readouterr().out.splitlines() == ["A         LONG", "x\\x1b[2J  1", "yy        22"]


def test_a_narrow_terminal_gets_long_cells_below_their_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        ("a", "short", "fits"),
        ("b", "longer", "is not executable; chmod +x it"),
        ("c", "x" * 30, "why"),
        ("d", "y" * 30, ""),
    ]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")
    output.table(("a", "b", "why"), rows)
    assert capsys.readouterr().out.splitlines() == [
        "A  B       WHY",
        "a  short   fits",
        "b  longer",
        "    is not executable; chmod",
        "    +x it",
        "c",
        f"    {'x' * 30}",
        "    why",
        "d",
        f"    {'y' * 30}",
    ]
    monkeypatch.setenv("COLUMNS", "80")
    output.table(("a", "b", "why"), rows[:1])
    assert capsys.readouterr().out.splitlines()[1] == "a  short  fits"


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_whose_user_has_not_declined(
    monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert ("\x1b" in output.paint("x", "red")) is coloured


@pytest.mark.parametrize(
    ("value", "words"), [(0.25, "0.25 s"), (59.0, "59 s"), (61.0, "1 min 1 s"), (7500.0, "2 h 5 min"), (1e5, "1 d 3 h")]
)
def test_lengths_of_time_are_told_in_the_units_that_matter(value: float, words: str) -> None:
    assert output.seconds(value) == words


def test_les_is_a_module_too() -> None:
    argv = [sys.executable, "-m", "les_hooks", "--version"]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    assert result.stdout.startswith("les, version")


def test_a_command_of_a_plugin_takes_the_file_after_its_name_too(
    les: Les, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert "No such command 'greet'" in _run("greet").err
    for words in (("-c", str(les.config)), (f"--config={les.config}",)):
        monkeypatch.setattr(group.cli, "commands", {})
        greeted = _run("greet", *words)
        assert "No such option" in greeted.err  # it is found; whether it takes the option is its own business
    assert "No such command 'greeet'. Did you mean" in _run("greeet", "-c", str(les.config)).err


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [
        (None, 2, "It belongs to the plugin floating_ip, and there is no configuration that names it; name another"),
        (
            "[plugins.scripts]\n",
            2,
            "It belongs to the plugin floating_ip, which les.toml does not name; name another file",
        ),
        ("nonsense", 78, "les.toml:1:9: "),
        ("[plugins.floating_ip]\nenabled = false\n", 2, "which is not loaded: les.toml turns it off."),
    ],
)
def test_why_a_command_of_an_installed_plugin_is_not_there_is_told(
    file: str | None, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group.cli, "commands", {})
    monkeypatch.chdir(tmp_path)
    if file is not None:
        (tmp_path / "les.toml").write_text(file)
    result = _run("floating-ip", "status")
    assert result.code == code
    assert said in result.err


@pytest.mark.parametrize("command", ["webhooks", "checks"])
def test_a_command_of_a_plugin_is_not_taken_for_a_slip(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`les webhooks` is no misspelt `les hooks`."""
    monkeypatch.setattr(group.cli, "commands", {})
    monkeypatch.chdir(tmp_path)
    result = _run(command, "list")
    assert result.code == 2
    assert "It belongs to the plugin " in result.err
    assert "Did you mean" not in result.err
