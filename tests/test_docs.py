"""Every code block of the pages is run or checked, by its language.

- `python`: run. `python compile`: only compiled, for what would not end. `python file=NAME`: written to a folder, in
  which pytest runs once all such blocks of the page are there.
- `toml`: parsed, and loaded as `les.toml` (with the sections that it leaves out) unless it is a `pyproject.toml`.
- `sh`, `console`: each line `les ...` names a command that exists, after a prompt where there is one.
- `json`: one JSON value after the other.
- `text`, `ini` and blocks without a language are what a program prints, another program's file, or a drawing.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import tomli

from les_hooks.cli import cli
from les_hooks.config import load_config

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("hooks.d/*.md")]
)

# What a page shows of a plugin that is not loaded here.
PLUGIN_COMMANDS = frozenset({"checks", "floating-ip", "hello", "vip", "webhooks"})

MISSING = {
    "node": '[node]\nbind = "127.0.0.1:4000"\nstate_dir = "state"\n',
    "cluster": '[cluster]\nseeds = ["127.0.0.1:4000"]\n',
}


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, the words after that, and what is in it."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def file(self) -> str:
        """The name of the file that it is, or nothing."""
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), "")


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found = []
    for match in re.finditer(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", text, re.MULTILINE):
        indent, info, body = match.groups()
        language, *words = info.split() or [""]
        line = text.count("\n", 0, match.start()) + 1
        plain = "".join(one.removeprefix(indent) for one in body.splitlines(keepends=True))
        found.append(Block(page, line, language, tuple(words), plain))
    return found


BLOCKS = [block for page in PAGES for block in blocks(page)]


def these(*languages: str) -> Iterable[Any]:
    """The blocks in these languages, as parameters of a test."""
    return [
        pytest.param(block, id=f"{block.page.relative_to(ROOT)}:{block.line}")
        for block in BLOCKS
        if block.language in languages
    ]


def test_every_block_has_a_language_that_is_checked() -> None:
    known = {"python", "toml", "sh", "console", "json", "text", "ini", ""}
    assert [(block.page.name, block.line, block.language) for block in BLOCKS if block.language not in known] == []


@pytest.mark.parametrize("block", these("python"))
def test_python_runs(block: Block) -> None:
    code = compile("\n" * block.line + block.text, str(block.page), "exec", dont_inherit=True)
    if "compile" not in block.words and not block.file:
        exec(code, {"__name__": "a_page"})


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name) for page in PAGES if any(block.file for block in blocks(page))]
)
def test_the_files_of_a_page_are_written_and_their_tests_pass(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-W", "error", "--rootdir", "."],
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d passed", done.stdout)


@pytest.mark.parametrize("block", these("toml"))
def test_toml_is_a_configuration_that_loads(block: Block, tmp_path: Path) -> None:
    table = tomli.loads(block.text)
    if "project" in table:
        return
    file = tmp_path / "les.toml"
    file.write_text(block.text + "\n" + "".join(text for section, text in MISSING.items() if section not in table))
    load_config(file)


@pytest.mark.parametrize("block", these("sh", "console"))
def test_commands_exist(block: Block) -> None:
    for line in block.text.splitlines():
        words = line.removeprefix("# ").removeprefix("$ ").removeprefix("sudo ").partition(" #")[0].split()
        if words and words[0] == "les":
            _look_up(words[1:], line)


def _look_up(words: list[str], line: str) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="les")
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        if command is cli and word in PLUGIN_COMMANDS:
            return
        found = command.get_command(context, word)
        assert found is not None, line
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        option = word.partition("=")[0]
        assert not option.startswith("--") or option in {*known, "--help"}, line


@pytest.mark.parametrize("block", these("json"))
def test_json_is_json(block: Block) -> None:
    decoder, rest = json.JSONDecoder(), block.text.strip()
    while rest:
        _, end = decoder.raw_decode(rest)
        rest = rest[end:].lstrip()


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_of_the_tests_is_there(page: Path) -> None:
    """A file or a folder, or `tests/FILE.py::NAME`, which says what covers something."""
    for path, names in re.findall(r"`(tests/[\w./]+)((?:::\w+)*)`", page.read_text()):
        assert (ROOT / path).exists(), path
        for name in filter(None, names.split("::")):
            assert re.search(rf"^ *(class|(async )?def) {name}\b", (ROOT / path).read_text(), re.MULTILINE), name
