"""The README's two lines, and that CI runs the one of them that it should, word for word, over what is pinned."""

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
        for name in ("bin/apt-get", ".venv/bin/ruff", ".venv/bin/mypy", "new/bin/pip"):
            self.fake(name, 'echo "$(basename "$0") $*" >> called')
        self.fake(".venv/bin/pip", 'echo "pip $* index=${PIP_NO_INDEX:+none} from=$PIP_FIND_LINKS" >> called')
        self.fake(".venv/bin/python", 'echo "python $* strict=$LES_TEST_STRICT" >> called')
        # It makes environments, each with a pip of its own unless there is one.
        self.fake("bin/python3", 'echo "python3 $*" >> called; [ "$1" = -c ] || [ -e "$3" ] || cp -r new "$3"')

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
    result = ci.run(readme)
    assert result.returncode == 0, result.stderr
    assert f"== {line_after('test-line')}" in result.stdout.splitlines()
    steps = [call for call in ci.called().splitlines() if not call.startswith("apt-get")]
    pinned = steps[1].removeprefix("python3 -m venv ").removesuffix("/venv")
    assert steps[1:] == [
        f"python3 -m venv {pinned}/venv",
        f"pip download -q --require-hashes --only-binary :all: -d {pinned}/wheels -r .ci/requirements.txt",
        "python3 -m venv .venv",
        f"pip install -q -e .[dev] index=none from={pinned}/wheels",
        "python -m pytest -q -n 2 strict=1",
        "ruff check .",
        "ruff format --check .",
        "mypy ",
        "python .ci/audit.py strict=1",
    ]
    assert not Path(pinned).exists()


STEPS = ("bin/python3", "new/bin/pip", ".venv/bin/pip", ".venv/bin/python", ".venv/bin/ruff", ".venv/bin/mypy")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_fails_ci(ci: Ci, step: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci.fake(step, '[ "$1" = -c ]')  # the look for ensurepip goes well
    assert ci.run(readme).returncode != 0


def test_advisories_that_are_found_fail_ci(ci: Ci) -> None:
    ci.fake(".venv/bin/python", '[ "$1" != .ci/audit.py ]')
    assert ci.run((ROOT / "README.md").read_text(encoding="utf-8")).returncode == 1


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
