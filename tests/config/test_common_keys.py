"""The keys of every plugin's table, the defaults that a plugin has of its own for them, and what no two may claim."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from les_hooks.config import Config, Interval, schema, show
from tests.config.conftest import Load, Problems


class Vip(msgspec.Struct, frozen=True, kw_only=True):
    address: str = "10.0.0.100"
    critical: bool = True
    order: int = -100
    timeout: Interval = 5.0

    @property
    def claims(self) -> Sequence[str]:
        return (f"address {self.address}",)


class Floating(msgspec.Struct, frozen=True, kw_only=True):
    addresses: tuple[str, ...] = ()
    critical: bool
    timeout: float

    @property
    def claims(self) -> Sequence[str]:
        return [f"address {address}" for address in self.addresses]


class Odd(msgspec.Struct, frozen=True, kw_only=True):
    claims: tuple[str, ...] = ()
    enabled: bool = False


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    order: str = "first"


class Silent(msgspec.Struct, frozen=True, kw_only=True):
    @property
    def claims(self) -> Sequence[str]:
        raise OSError("no interface")


KINDS: Mapping[str, type[msgspec.Struct] | None] = {
    "vip": Vip, "floating": Floating, "odd": Odd, "wrong": Wrong, "silent": Silent, "plain": None, "scripts": None
}  # fmt: skip


def types(names: Sequence[str]) -> Mapping[str, type[msgspec.Struct] | None]:
    return {name: KINDS[name] for name in names if name in KINDS}


def keys(config: Config, name: str) -> tuple[bool, float, int]:
    entry = config.plugins[name]
    return entry.critical, entry.timeout, entry.order


def test_a_plugin_may_have_other_defaults_for_the_keys_that_all_have(load: Load) -> None:
    config = load('[hooks]\ntimeout = "9s"\n[plugins.vip]\n[plugins.plain]', plugin_types=types)
    assert keys(config, "vip") == (True, 5.0, -100)
    assert keys(config, "plain") == (False, 9.0, 0)
    assert config.wanted == ("vip", "plain", "scripts")


def test_what_the_file_says_comes_first_and_the_plugin_sees_it(load: Load) -> None:
    text = '[plugins.vip]\ncritical = false\norder = 3\ntimeout = "7s"'
    config = load(text, plugin_types=types)
    assert keys(config, "vip") == (False, 7.0, 3)
    assert config.plugins["vip"].config == Vip(critical=False, order=3, timeout=7.0)


def test_a_plugin_may_want_to_know_a_common_key_without_a_default_of_its_own(load: Load) -> None:
    config = load('[hooks]\ntimeout = "9s"\n[plugins.floating]', plugin_types=types)
    assert config.plugins["floating"].config == Floating(critical=False, timeout=9.0)


def test_naming_a_plugin_loads_it_whatever_its_struct_says(load: Load) -> None:
    config = load("[plugins.odd]", plugin_types=types)
    assert "odd" in config.wanted
    assert config.plugins["odd"].config == Odd(enabled=True)


def test_what_is_in_force_is_shown(load: Load) -> None:
    shown = {setting.key: setting.value for setting in show(load("[plugins.vip]\norder = 1", plugin_types=types))}
    assert [shown[f"plugins.vip.{key}"] for key in ("critical", "timeout", "order")] == ["true", '"5s"', "1"]
    assert [key for key in shown if key.startswith("plugins.vip.")].count("plugins.vip.critical") == 1


def test_a_mistake_in_a_common_key_is_told_once(problems: Problems) -> None:
    text = '[plugins.floating]\ntimeout = "x"\ncritical = 1\n[hooks]\ntimeout = 1'
    assert [line.partition(": ")[2].partition(": ")[0] for line in problems(text, plugin_types=types)] == [
        "plugins.floating.timeout",
        "plugins.floating.critical",
        "hooks.timeout",
    ]


def test_a_default_that_is_none_is_a_problem_of_the_plugin(problems: Problems) -> None:
    found = problems("[plugins.wrong]", plugin_types=types)
    assert found[0].startswith("les.toml:1:10: plugins.wrong.order: expected int, got str")


def test_the_schema_has_the_defaults_of_plugins() -> None:
    properties: Any = schema({"vip": Vip, "floating": Floating, "plain": None})["properties"]
    named = properties["plugins"]["properties"]
    assert set(named) == {"vip"}
    defaults = {key: rules.get("default") for key, rules in named["vip"]["properties"].items()}
    assert defaults == {"enabled": True, "critical": True, "timeout": "5s", "order": -100}
    assert named["vip"]["additionalProperties"] is True
    assert properties["plugins"]["additionalProperties"]["properties"]["critical"]["default"] is False


# -- claims ------------------------------------------------------------------------------------------------------------


def test_two_plugins_cannot_claim_the_same(problems: Problems) -> None:
    text = '[plugins.vip]\n[plugins.floating]\naddresses = ["10.0.0.7", "10.0.0.100"]'
    assert problems(text, plugin_types=types) == [
        'les.toml:1:10: plugins.vip: claims "address 10.0.0.100", and so does plugin floating; leave it to one of them'
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[plugins.vip]\n[plugins.floating]\naddresses = ["10.0.0.7", "10.0.0.7"]',
        '[plugins.vip]\n[plugins.floating]\nenabled = false\naddresses = ["10.0.0.100"]',
        '[plugins.vip]\n[plugins.odd]\nclaims = ["address 10.0.0.100"]',
    ],
    ids=["of its own", "switched off", "a key of that name"],
)
def test_other_claims_are_no_conflict(load: Load, text: str) -> None:
    assert load(text, plugin_types=types)


def test_a_plugin_that_cannot_tell_what_it_claims_is_a_problem(problems: Problems) -> None:
    assert problems("[plugins.silent]", plugin_types=types) == [
        "les.toml:1:10: plugins.silent: the plugin cannot tell what it claims: OSError: no interface"
    ]
