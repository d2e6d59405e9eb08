"""The page for users says what the code does, its configurations load, and its scripts run."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from les_hooks.config import load_config
from les_hooks.config.show import written
from les_hooks.plugins import Registry
from les_plugins.checks.settings import Check, ChecksConfig, Kind, Pace
from les_plugins.checks.watch import MOST_SCRIPTS
from les_plugins.scripts import ScriptsConfig
from tests.plugins.checks.conftest import ChecksDir, Configured
from tests.plugins.checks.test_kinds import look

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
SAMPLES = sorted((ROOT / "examples" / "checks.d").iterdir())
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def rows(header: str) -> dict[str, list[str]]:
    """The table below this header: the other cells by the first one."""
    text = PAGE.split(f"\n{header}\n", 1)[1].split("\n\n", 1)[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()[1:]]
    return {first.strip().strip("`"): rest for first, *rest in cells}


def test_every_kind_is_described() -> None:
    assert list(rows("| key | fit when | example |")) == list(Kind)


def test_the_examples_of_kinds_are_valid() -> None:
    for kind, cells in rows("| key | fit when | example |").items():
        for example in re.findall(r'`"(.+?)"`', cells[-1]):
            assert load_text(f'[[plugins.checks.check]]\n{kind} = "{example}"\n').check[0].target == example


def load_text(text: str) -> ChecksConfig:
    """Read it as `les.toml`."""
    with TemporaryDirectory() as made:
        file = Path(made) / "les.toml"
        file.write_text(f'[node]\nstate_dir = "state"\n{text}')
        config = load_config(file, environ={"HOME": "/root"}, plugin_types=Registry().config_types)
    found = config.plugins["checks"].config
    assert isinstance(found, ChecksConfig)
    return found


def test_every_other_key_is_described_with_its_default() -> None:
    described = rows("| key | default | means |")
    fields = {field.name: field for field in msgspec.structs.fields(Check) if field.name not in list(Kind)}
    assert sorted(described) == sorted(fields)
    for name in ("interval", "timeout", "rise", "fall"):
        default = written(fields[name].type, fields[name].default)
        assert described[name][0] == (f'`"{default}"`' if isinstance(default, str) else f"`{default}`")
    assert all(f"\n{key} = " in "".join(TOML) for key in ("dir", "path", "interval", "timeout", "fall"))
    assert ChecksConfig().path == ScriptsConfig(timeout=30.0).path  # "the same as for hooks"


@pytest.mark.parametrize("text", TOML)
def test_its_configurations_load_with_the_keys_of_the_plugin(text: str) -> None:
    assert load_text(text).check


def test_the_numbers_are_those_of_the_code() -> None:
    assert MOST_SCRIPTS == 64
    assert "At most 64 in the list, and 64 scripts in the folder" in PAGE
    pace = Pace()
    soonest = (pace.fall - 1) * pace.interval
    assert f"after {soonest:g} to {soonest + pace.interval + pace.timeout:g} seconds" in PAGE


@pytest.mark.parametrize("text", re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
async def test_its_scripts_run(configured: Configured, folder: ChecksDir, text: str) -> None:
    (folder.path / "page").write_text(text)
    (folder.path / "page").chmod(0o755)
    why = await look(configured, script="page", timeout=5.0)
    assert why == "" or why.endswith("KiB left")


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
async def test_the_samples_run(configured: Configured, folder: ChecksDir, sample: Path) -> None:
    (folder.path / sample.name).write_text(sample.read_text())
    (folder.path / sample.name).chmod(0o755)
    why = await look(configured, script=sample.name, timeout=5.0)
    assert why == "" or "exited with 1: " in why
