"""The page for users says what the code does, and its configurations load with the keys of the plugin."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from les_hooks.config.show import written
from les_hooks.config.toml_text import toml_value
from les_hooks.daemon import load_config
from les_plugins.vip import lookout
from les_plugins.vip.report import shown
from les_plugins.vip.settings import Announce, VipConfig, VirtualAddress

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "vip.md").read_text(encoding="utf-8")
CODE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins" / "les_plugins" / "vip").glob("*.py"))
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def rows(header: str) -> list[list[str]]:
    """The cells of the table below this header."""
    text = PAGE.split(f"\n{header}\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()[1:]]


def words(header: str) -> set[str]:
    """What stands in the first column of the table, in code marks."""
    return {word for row in rows(header) for word in re.findall(r"`([^`]+)`", row[0])}


def test_every_key_is_described_with_its_default() -> None:
    described = {row[0].strip("`"): row[1] for row in rows("| key | default | means |")}
    fields = {field.name: field for field in msgspec.structs.fields(VipConfig) if field.name != "announce"}
    fields |= {f"announce.{field.name}": field for field in msgspec.structs.fields(Announce)}
    assert sorted(described) == sorted(fields)
    for name, field in fields.items():
        empty = field.required or field.default is None
        assert described[name] == ("none" if empty else f"`{toml_value(written(field.type, field.default))}`"), name


@pytest.mark.parametrize("text", TOML)
def test_its_configurations_load_with_the_keys_of_the_plugin(text: str, tmp_path: Path) -> None:
    (tmp_path / "les.toml").write_text(f'[node]\nstate_dir = "state"\n{text}')
    assert isinstance(load_config(tmp_path / "les.toml").plugins["vip"].config, VipConfig)


def test_every_record_and_every_event_of_the_log_is_described() -> None:
    assert words("| audit record `plugin.vip.` | outcome | with |") == set(re.findall(r'\.audit\(\s*"(\w+)"', CODE))
    logged = re.findall(r'(?:log|_log)\.(?:debug|info|warning|error)\(\s*"([\w-]+)"', CODE)
    assert words("| log event | level | says |") == set(logged)


def test_every_word_for_what_was_found_is_one_of_the_code() -> None:
    for word in words("| `found` | it means |"):
        assert f'"{word}"' in CODE, word


def test_the_answer_that_it_shows_has_the_keys_of_a_real_one() -> None:
    answer = json.loads(PAGE.split("```json\n", 1)[1].split("```", 1)[0])
    config = VipConfig(addresses=(VirtualAddress(ip="10.0.0.100", prefix=24),), interface="eth0")
    real = shown(None, config)
    assert list(answer) == list(real)
    assert list(answer["addresses"][0]) == list(real["addresses"][0])


def test_the_numbers_are_those_of_the_code() -> None:
    assert lookout.LOOK_SECONDS == 0.1
    assert "nobody answered within 100 ms" in PAGE
    announce = Announce()
    pauses = [f"{announce.interval * 2**i:g}" for i in range(announce.count - 1)]
    assert f"Five times, after {', '.join(pauses[:-1])} and {pauses[-1]} s again" in PAGE
    assert (announce.count, announce.refresh) == (5, 60.0)
