"""The schema and the page `docs/configuration.md` say what the model says, and no more."""

import re
from pathlib import Path
from typing import Any

import pytest
import tomli

from les_hooks.config import key_help, schema
from tests.config.conftest import Load, Problems
from tests.config.test_load import SAMPLE

PAGE = (Path(__file__).parents[2] / "docs/configuration.md").read_text()


def block(kind: str, index: int = 0) -> str:
    """The code of one block of the page."""
    return [match[1] for match in re.finditer(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)][index]


def faults(rules: dict[str, Any], value: object, where: str = "") -> list[str]:
    """As much of JSON Schema as ours uses; any other word in a schema fails the test."""
    known = {"$schema", "title", "description", "default", "examples", "type", "properties", "additionalProperties"}
    assert rules.keys() <= known | {
        "pattern",
        "minLength",
        "items",
        "maxItems",
        "uniqueItems",
        "enum",
        "minimum",
        "maximum",
    }
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    if "type" in rules and type(value) is not kinds[rules["type"]]:
        return [f"{where} is no {rules['type']}"]
    found = []
    if "enum" in rules and value not in rules["enum"]:
        found.append(f"{where} is none of {rules['enum']}")
    if isinstance(value, str) and not re.search(rules.get("pattern", ""), value):
        found.append(f"{where} does not match")
    if isinstance(value, list):
        for item in value:
            found += faults(rules["items"], item, f"{where}[]")
    if isinstance(value, dict):
        others = rules["additionalProperties"]
        for key, item in value.items():
            inner = rules.get("properties", {}).get(key, others)
            if inner is False:
                found.append(f"{where}.{key} is unknown")
            elif inner is not True:
                found += faults(inner, item, f"{where}.{key}")
    return found


@pytest.mark.parametrize("text", ["", SAMPLE, block("toml")])
def test_what_loads_satisfies_the_schema(load: Load, text: str) -> None:
    assert load(text)
    assert faults(schema(), tomli.loads(text)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[node]\nnam = 1", ".node.nam is unknown"),
        ("[hoks]", ".hoks is unknown"),
        ('[node]\nname = "a b"', ".node.name does not match"),
        ('[cluster]\nseeds = ["h"]', ".cluster.seeds[] does not match"),
        ('[cluster]\nquorum = "all"', ".cluster.quorum is none of ['majority', 'members']"),
        ('[cluster]\nalone_after = "ever"', ".cluster.alone_after does not match"),
        ('[timing]\nhold = "3"', ".timing.hold does not match"),
        ("[timing]\nhold = 3", ".timing.hold is no string"),
        ("[plugins.vip]\norder = 1.5", ".plugins.vip.order is no integer"),
    ],
)
def test_what_the_schema_refuses_is_refused(problems: Problems, text: str, fault: str) -> None:
    assert problems(text)
    assert faults(schema(), tomli.loads(text)) == [fault]


def test_defaults_in_the_schema_satisfy_it() -> None:
    properties: dict[str, Any] = schema()["properties"]  # type: ignore[assignment]  # a plain JSON value
    for section in properties.values():
        for name, rules in section.get("properties", {}).items():
            assert rules["description"]
            assert "default" not in rules or faults(rules, rules["default"], name) == []


def test_the_page_has_every_key_with_its_default_and_no_other() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{help_.key}` | {help_.default} | {'live' if help_.live else 'restart'} | {help_.description} |"
        for help_ in key_help()
    ]


def test_the_pages_mistakes_are_answered_as_it_says(problems: Problems) -> None:
    assert problems(block("text")) == block("text", 1).splitlines()


def test_the_pages_plugin_struct_works(load: Load) -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    kind = names["Settings"]
    config = load('[plugins.vip]\ninterface = "eth0"', plugin_types=lambda _: {"vip": kind}).plugins["vip"].config
    assert config == kind(interface="eth0", every=10.0, key_file=None)
