"""The page for users says what the code does, its configurations load, and its script works."""

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from les_hooks.config import load_config
from les_hooks.config.show import written
from les_hooks.plugins import Registry
from les_plugins.floating_ip.entries import AddressTable, ApiTable
from les_plugins.floating_ip.settings import PROVIDERS, FloatingIpConfig
from les_plugins.floating_ip.trouble import Fault

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "floating-ip.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def tables() -> list[dict[str, list[str]]]:
    """The tables of the page: the other cells by the first one."""
    found = []
    for text in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
        found.append({first.strip("`"): rest for first, *rest in rows if first != "---"})
    return found


def with_rows(*names: str) -> dict[str, list[str]]:
    """The table that has these rows."""
    return next(table for table in tables() if set(names) <= set(table))


def section(link: str) -> str:
    """The part of the page that a link leads to."""
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    return next(part for part in parts if part.partition("\n")[0].lower().replace(" ", "-") == link)


def defaults(kind: type[msgspec.Struct], names: set[str]) -> dict[str, str]:
    """The defaults of these fields, as the page writes them."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    shown: dict[str, str] = {}
    for name in names:
        default: Any = written(fields[name].type, fields[name].default)
        words = f'"{default}"' if isinstance(default, str) else str(default).lower()
        shown[name] = "none" if default is None else f"`{words}`"
    return shown


def test_every_provider_is_described_with_its_own_keys() -> None:
    table = with_rows("digitalocean")
    assert {name for name in table if name != "table"} == set(PROVIDERS)
    hints = {field.name: field.type for field in msgspec.structs.fields(FloatingIpConfig)}
    for provider in PROVIDERS:
        kind = hints[provider].__origin__.__args__[0]
        common = ApiTable if issubclass(kind, ApiTable) else AddressTable
        own = {field.name for field in msgspec.structs.fields(kind)}
        own -= {"api"} | {field.name for field in msgspec.structs.fields(common)}
        described = "".join(table[provider])
        for link in re.findall(r"\(#([a-z0-9-]+)\)", described):
            described += section(link)
        assert {key for key in own if f"`{key}`" not in described} == set()


def test_every_common_key_is_described_with_its_default() -> None:
    for kind, known in ((AddressTable, {"calls_per_hour"}), (ApiTable, {"token_file", "credential", "metadata_url"})):
        for name, default in defaults(kind, known).items():
            assert with_rows(name)[name][0] == default
    own = {field.name for field in msgspec.structs.fields(FloatingIpConfig)} - set(PROVIDERS)
    table = with_rows("patience")
    assert set(table) - {"key"} == own
    assert {name: cells[0] for name, cells in table.items() if name != "key"} == defaults(FloatingIpConfig, own)


def test_every_fault_is_described() -> None:
    assert list(with_rows("unreachable"))[1:] == [fault.value for fault in Fault]


def test_every_record_is_described() -> None:
    described = {name.removeprefix("plugin.floating_ip.") for name in with_rows("plugin.floating_ip.failed")}
    code = (ROOT / "plugins" / "les_plugins" / "floating_ip" / "keeper.py").read_text()
    said = set(re.findall(r'_say\("([a-z-]+)"', code))
    said |= set(re.findall(r'action = "([a-z-]+)".*else "([a-z-]+)"', code)[0])
    assert described - {"action"} == said


@pytest.mark.parametrize("text", TOML)
def test_its_configurations_load_with_the_keys_of_the_plugin(text: str) -> None:
    with TemporaryDirectory() as made:
        file = Path(made) / "les.toml"
        file.write_text(f'[node]\nstate_dir = "state"\n{text}')
        config = load_config(file, environ={"HOME": "/root"}, plugin_types=Registry().config_types)
    assert isinstance(config.plugins["floating_ip"].config, FloatingIpConfig)


def test_its_program_is_a_shell_script() -> None:
    (script,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    shell = shutil.which("sh")
    assert shell is not None
    assert subprocess.run([shell, "-n"], input=script, text=True, check=False).returncode == 0
