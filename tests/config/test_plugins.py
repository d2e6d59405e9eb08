"""Plugins' tables: common keys, keys of their own, and plugins that cannot say what theirs are."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from les_hooks.config import Config, Duration, Interval, Seed, Written, load_plugin_table, show
from les_hooks.errors import ConfigError
from tests.config.conftest import Load, Problems


class Mode(StrEnum):
    ON = "on"
    OFF = "off"


class Empty(msgspec.Struct, frozen=True):
    pass


class Route(msgspec.Struct, frozen=True, kw_only=True):
    to: str
    pause: Duration = 0.0


class Vip(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    addresses: tuple[str, ...]
    dead_after: Interval | None = None
    mode: Mode = Mode.ON
    size: Literal["big", "small"] = "big"
    peer: Seed | None = None
    key_file: Path | None = None
    weights: Annotated[dict[str, float], Meta(max_length=2)] = msgspec.field(default_factory=dict)
    pauses: list[Duration] = msgspec.field(default_factory=list)
    routes: tuple[Route, ...] = ()
    first: Route | None = None
    tags: frozenset[str] = frozenset()
    marks: frozenset = frozenset()  # type: ignore[type-arg]  # as a plugin may write it
    nothing: Empty | None = None
    count: Annotated[int, Meta(ge=1)] = 1


class Picky(msgspec.Struct, frozen=True):
    low: int = 0
    high: int = 0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")
        if self.high == 13:
            raise KeyError("a bug")


class Tagged(msgspec.Struct, frozen=True, tag="tagged", tag_field="kind"):
    x: int = 0


KINDS: Mapping[str, type[msgspec.Struct] | None] = {
    "vip": Vip, "plain": None, "picky": Picky, "tagged": Tagged, "scripts": None
}  # fmt: skip


def types(names: Sequence[str]) -> Mapping[str, type[msgspec.Struct] | None]:
    return {name: KINDS[name] for name in names if name in KINDS}


FULL = """\
[plugins.vip]
enabled = true
timeout = "3s"
order = -1
addresses = ["10.0.0.100/24"]
dead-after = "2s"
mode = "off"
size = "small"
peer = "H:1"
key-file = "secrets/key"
weights = { a = 1, b = 0.5 }
pauses = ["1s", "500ms"]
tags = ["b", "a"]
marks = ["d", "c"]
first.to = "y"
[[plugins.vip.routes]]
to = "x"
pause = "1m"
"""


def vip(config: Config) -> Vip:
    found = config.plugins["vip"].config
    assert isinstance(found, Vip)
    return found


def test_a_plugins_table_is_read_into_its_struct(load: Load, tmp_path: Path) -> None:
    config = load(FULL, plugin_types=types)
    entry = config.plugins["vip"]
    assert (entry.enabled, entry.critical, entry.timeout, entry.order) == (True, False, 3.0, -1)
    assert vip(config) == Vip(
        addresses=("10.0.0.100/24",),
        dead_after=2.0,
        mode=Mode.OFF,
        size="small",
        peer=vip(config).peer,
        key_file=tmp_path / "secrets/key",
        weights={"a": 1.0, "b": 0.5},
        pauses=[1.0, 0.5],
        routes=(Route(to="x", pause=60.0),),
        first=Route(to="y"),
        tags=frozenset("ab"),
        marks=frozenset("cd"),
    )
    assert vip(config).peer == "h:1"


def test_its_values_are_shown_as_they_are_written(load: Load, tmp_path: Path) -> None:
    shown = {
        setting.key.removeprefix("plugins.vip."): (setting.value, setting.origin)
        for setting in show(load(FULL, plugin_types=types))
        if setting.key.startswith("plugins.vip.")
    }
    assert shown == {
        "enabled": ("true", "les.toml:2:1"),
        "critical": ("false", "default"),
        "timeout": ('"3s"', "les.toml:3:1"),
        "order": ("-1", "les.toml:4:1"),
        "addresses": ('["10.0.0.100/24"]', "les.toml:5:1"),
        "dead-after": ('"2s"', "les.toml:6:1"),
        "mode": ('"off"', "les.toml:7:1"),
        "size": ('"small"', "les.toml:8:1"),
        "peer": ('"h:1"', "les.toml:9:1"),
        "key-file": (f'"{tmp_path}/secrets/key"', "les.toml:10:1"),
        "weights": ("{ a = 1.0, b = 0.5 }", "les.toml:11:1"),
        "pauses": ('["1s", "500ms"]', "les.toml:12:1"),
        "tags": ('["a", "b"]', "les.toml:13:1"),
        "marks": ('["c", "d"]', "les.toml:14:1"),
        "first.to": ('"y"', "les.toml:15:7"),
        "first.pause": ('"0s"', "default"),
        "routes": ('[{ to = "x", pause = "1m" }]', "les.toml:16:15"),
        "count": ("1", "default"),
    }


def test_problems_in_plugins_tables_are_told_with_all_others(problems: Problems) -> None:
    text = """\
[plugins.vip]
critcal = true
dead-after = 3
mode = "of"
size = "huge"
peer = "x"
key-file = ""
weights = { a = "x" }
pauses = ["1s", "1"]
tags = ["a", 1]
first = 1
count = 0
[[plugins.vip.routes]]
pause = "1m"
too = "x"
[plugins.plain]
x = 1
[cluster]
nam = "x"
"""
    assert problems(text, plugin_types=types) == [
        "les.toml:1:10: plugins.vip.addresses: is missing, and has no default",
        "les.toml:2:1: plugins.vip.critcal: unknown key; did you mean 'critical'?",
        'les.toml:3:1: plugins.vip.dead-after: expected a duration as a string, such as "30s", got a whole number',
        'les.toml:4:1: plugins.vip.mode: expected "on" or "off", got "of"; did you mean "off"?',
        'les.toml:5:1: plugins.vip.size: expected "big" or "small", got "huge"',
        'les.toml:6:1: plugins.vip.peer: "x" is not host:port',
        'les.toml:7:1: plugins.vip.key-file: "" is no path',
        "les.toml:8:13: plugins.vip.weights.a: expected a number, got a string",
        'les.toml:9:17: plugins.vip.pauses[1]: "1" is no duration; write a number and its unit (ms, s, m or h), '
        'such as "30s"',
        "les.toml:10:14: plugins.vip.tags[1]: expected a string, got a whole number",
        "les.toml:11:1: plugins.vip.first: expected a table, got a whole number",
        "les.toml:12:1: plugins.vip.count: expected int >= 1",
        "les.toml:13:15: plugins.vip.routes[0].to: is missing, and has no default",
        "les.toml:15:1: plugins.vip.routes[0].too: unknown key; did you mean 'to'?",
        "les.toml:17:1: plugins.plain.x: unknown key; known here: enabled, critical, timeout, order",
        "les.toml:19:1: cluster.nam: unknown key; did you mean 'name'?",
    ]


def test_tables_of_tables_have_problems_like_all_others(problems: Problems) -> None:
    text = "[plugins.vip]\naddresses = []\nweights = []\nnothing.x = 1"
    assert problems(text, plugin_types=types) == [
        "les.toml:3:1: plugins.vip.weights: expected a table, got a list",
        "les.toml:4:9: plugins.vip.nothing.x: unknown key; none is known here",
    ]


def test_a_container_of_good_values_may_still_be_too_long(problems: Problems) -> None:
    text = "[plugins.vip]\naddresses = []\nweights = { a = 1, b = 2, c = 3 }"
    assert problems(text, plugin_types=types) == ["les.toml:3:1: plugins.vip.weights: expected object of length <= 2"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("low = 2", "low is above high"),
        ("high = 13", "the plugin cannot read its table: KeyError: 'a bug'"),
    ],
)
def test_what_the_plugins_own_check_finds_is_a_problem_of_its_table(
    problems: Problems, text: str, problem: str
) -> None:
    assert problems(f"[plugins.picky]\n{text}", plugin_types=types) == [f"les.toml:1:10: plugins.picky: {problem}"]


def test_a_struct_with_a_tag_takes_its_tag(load: Load, problems: Problems) -> None:
    assert load('[plugins.tagged]\nkind = "tagged"\nx = 1', plugin_types=types).plugins["tagged"].config == Tagged(x=1)
    assert len(problems('[plugins.tagged]\nkind = "other"', plugin_types=types)) == 1


def test_a_plugin_that_cannot_be_loaded_keeps_its_table_as_it_is(load: Load) -> None:
    entry = load("[plugins.gone]\norder = 3\nx = { y = 1979-05-27 }", plugin_types=types).plugins["gone"]
    assert (entry.order, entry.config, list(entry.own)) == (3, None, ["x"])


def test_a_plugin_that_is_not_enabled_is_not_asked_about(load: Load) -> None:
    asked: list[str] = []

    def note(names: Sequence[str]) -> Mapping[str, type[msgspec.Struct] | None]:
        asked.extend(names)
        return {}

    config = load("[plugins.vip]\nenabled = false\nwhatever = 1\n[plugins.b]\n[plugins.a]", plugin_types=note)
    assert asked == ["a", "b", "scripts"]
    assert list(config.plugins) == ["a", "b", "scripts", "vip"]
    assert not config.plugins["vip"].enabled


def test_scripts_can_be_tuned_and_turned_off(load: Load) -> None:
    scripts = load('[plugins.scripts]\nenabled = false\ntimeout = "1m"').plugins["scripts"]
    assert (scripts.enabled, scripts.timeout) == (False, 60.0)


def test_the_table_of_one_plugin_can_be_checked_by_itself(tmp_path: Path) -> None:
    entry = load_plugin_table("vip", {"addresses": ["x"], "key-file": "k", "order": 2}, Vip, base=tmp_path)
    assert isinstance(entry.config, Vip)
    assert (entry.order, entry.timeout, entry.config.key_file) == (2, 30.0, tmp_path / "k")
    with pytest.raises(ConfigError) as caught:
        load_plugin_table("vip", {"adresses": []}, Vip, base=tmp_path)
    assert sorted(map(str, caught.value.problems)) == [
        "table: plugins.vip.addresses: is missing, and has no default",
        "table: plugins.vip.adresses: unknown key; did you mean 'addresses'?",
    ]


def _read_range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high)


Range = Annotated[
    tuple[int, int],
    Written(what="a range", example="1-2", pattern=".", parse=_read_range, write=lambda two: f"{two[0]}-{two[1]}"),
]


class Places(msgspec.Struct, frozen=True, kw_only=True):
    folder: Path = Path("here.d")
    other: Path = Path("/there.d")
    range: Range | None = None


def test_a_default_path_of_a_plugin_starts_from_the_folder_of_the_file_as_a_written_one_does(tmp_path: Path) -> None:
    assert load_plugin_table("p", {}, Places, base=tmp_path).config == Places(folder=tmp_path / "here.d")
    given = load_plugin_table("p", {"folder": "x"}, Places, base=tmp_path).config
    assert given == Places(folder=tmp_path / "x")


def test_an_optional_list_that_is_written_as_a_string_is_shown_as_one(load: Load) -> None:
    config = load('[plugins.p]\nrange = "1-2"\n', plugin_types=lambda _: {"p": Places})
    assert {setting.key: setting.value for setting in show(config)}["plugins.p.range"] == '"1-2"'
