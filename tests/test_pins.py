"""`.ci/requirements.txt` pins everything that pyproject.toml asks for, as it asks for it, by hash, for all Pythons."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hatchling.build import get_requires_for_build_editable
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PINS = ROOT / ".ci" / "requirements.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = [
    words.rpartition(" ")[2]
    for words in PROJECT["project"]["classifiers"]
    if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", words)
]


def entries() -> Iterator[tuple[Requirement, list[str]]]:
    """Each pin, with its hashes."""
    text = re.sub(r"^ *#.*\n", "", PINS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for entry in text.replace("\\\n", "").splitlines():
        pin, *hashes = entry.split("--hash=")
        yield Requirement(pin.strip()), [each.strip() for each in hashes]


def pinned(python: str, machine: str) -> dict[str, Version]:
    """What is installed under this Python on Linux."""
    environment = {
        "implementation_name": "cpython",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    found: dict[str, Version] = {}
    for pin, _ in entries():
        if pin.marker is None or pin.marker.evaluate(environment):
            (exact,) = pin.specifier
            assert canonicalize_name(pin.name) not in found, f"{pin.name} is pinned twice"
            found[canonicalize_name(pin.name)] = Version(exact.version)
    return found


def asked() -> list[Requirement]:
    """All that the project asks for: to run, to be built, and by its extras."""
    project = PROJECT["project"]
    words = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    # The README's test line installs the checkout itself, which nothing in pyproject.toml says.
    words += get_requires_for_build_editable()
    words += [each for extra in ("dev", "aws") for each in project["optional-dependencies"][extra]]
    return [each for each in map(Requirement, words) if each.name != project["name"]]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", PYTHONS)
def test_whatever_the_project_asks_for_is_pinned_within_its_range(python: str, machine: str) -> None:
    """How to renew the pins is in CONTRIBUTING.md."""
    found = pinned(python, machine)
    for need in asked():
        version = found.get(canonicalize_name(need.name))
        assert version is not None, f"{need.name} is not in .ci/requirements.txt"
        assert need.specifier.contains(version), f"{need} is not satisfied by {version}"


def test_each_pin_is_one_version_with_hashes() -> None:
    for pin, hashes in entries():
        assert [each.operator for each in pin.specifier] == ["=="], pin.name
        assert pin.url is None
        assert hashes, f"{pin.name} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), pin.name


def test_the_pins_name_no_index_and_no_place_of_a_machine() -> None:
    options = [line for line in PINS.read_text(encoding="utf-8").splitlines() if line.startswith("-")]
    assert not options
    assert not re.search(r"https?://|file:|(?<!\S)/", PINS.read_text(encoding="utf-8"))


def test_the_way_to_renew_the_pins_is_the_one_that_made_them() -> None:
    (command,) = re.findall(r"^#    (uv pip compile .*)$", PINS.read_text(encoding="utf-8"), re.MULTILINE)
    assert f"{command} --upgrade" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
