"""The README's two lines, and that CI runs the one of them that it should, word for word."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.needs import need_program

ROOT = Path(__file__).parents[1]


def line_after(marker: str) -> str:
    found = re.findall(
        rf"^<!-- {marker} -->\n```sh\n(.*?)\n```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(found) == 1, f"one code block after {marker}"
    return str(found[0])


@pytest.mark.parametrize(("marker", "end"), [("demo-line", "/les demo"), ("test-line", "-m pytest -q -n 2")])
def test_the_readme_has_one_line_that_makes_its_own_environment(marker: str, end: str) -> None:
    line = line_after(marker)
    assert "\n" not in line
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert line.endswith(end)


class Ci:
    """A copy of `.ci/run` beside a README, with fakes of what it would install and call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
        for name in ("bin/apt-get", ".venv/bin/ruff", ".venv/bin/mypy"):
            self.fake(name, 'echo "$(basename "$0") $*" >> called')

    def fake(self, name: str, body: str) -> None:
        program = self.folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        program.chmod(0o755)

    def run(self, readme: str) -> "subprocess.CompletedProcess[str]":
        (self.folder / "README.md").write_text(readme, encoding="utf-8")
        environ = {k: v for k, v in os.environ.items() if k != "LES_TEST_STRICT"}
        environ["PATH"] = f"{self.folder / 'bin'}:{environ['PATH']}"
        command = [str(self.folder / ".ci" / "run")]
        return subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True, timeout=30, check=False)

    def called(self) -> str:
        path = self.folder / "called"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture
def ci(tmp_path: Path) -> Ci:
    """CI in a folder of its own."""
    need_program("bash")
    return Ci(tmp_path)


def test_ci_runs_exactly_the_readmes_line_and_allows_no_skipping(ci: Ci) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci.fake("bin/python3", 'echo "python3 $*" >> called')
    ci.fake(".venv/bin/pip", 'echo "pip $*" >> called')
    ci.fake(".venv/bin/python", 'echo "python $* strict=$LES_TEST_STRICT" >> called')
    result = ci.run(readme)
    assert result.returncode == 0, result.stderr
    assert f"== {line_after('test-line')}" in result.stdout.splitlines()
    steps = [call for call in ci.called().splitlines() if not call.startswith("apt-get")]
    assert steps[-6:] == [
        "python3 -m venv .venv",
        "pip install -q -e .[dev]",
        "python -m pytest -q -n 2 strict=1",
        "ruff check .",
        "ruff format --check .",
        "mypy ",
    ]


@pytest.mark.parametrize("step", ["bin/python3", ".venv/bin/ruff", ".venv/bin/mypy"])
def test_a_step_that_fails_fails_ci(ci: Ci, step: str) -> None:
    ci.fake("bin/python3", "exit 0")
    ci.fake(step, '[ "$1" = -c ]')  # the look for ensurepip goes well
    assert ci.run("<!-- test-line -->\n```sh\npython3 -m pytest\n```\n").returncode != 0


@pytest.mark.parametrize("readme", ["", "<!-- test-line -->\n```sh\nfalse\ntrue\n```\n"])
def test_a_readme_without_one_such_line_fails_ci(ci: Ci, readme: str) -> None:
    result = ci.run(readme)
    assert result.returncode == 1
    assert "README.md has no single line" in result.stderr


def test_ci_is_clean_for_shellcheck() -> None:
    result = subprocess.run(
        [need_program("shellcheck"), str(ROOT / ".ci" / "run")], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout + result.stderr == ""
