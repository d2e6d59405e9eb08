"""`les secret`: a file that nobody else can read, and three steps to another one."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from les_hooks.cli import cli
from les_hooks.security import Secrets, read_secrets


def les(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def told(*words: object) -> Any:
    result = les(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def test_a_new_secret_is_for_its_owner_alone_and_is_never_printed(file: Path) -> None:
    before = os.umask(0)
    try:
        result = les("secret", "new", file)
    finally:
        os.umask(before)
    made = read_secrets(file)
    assert result.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.fingerprints[0] in result.output
    assert f'secret_file = "{file}"' in result.output
    assert made.accepted[0].reveal() not in result.output
    assert list(file.parent.iterdir()) == [file]


def test_a_secret_that_is_there_is_not_replaced_without_force(file: Path) -> None:
    les("secret", "new", file)
    held = read_secrets(file)
    result = les("secret", "new", file)
    assert result.exit_code == 1
    assert f"`les secret rotate {file}`" in result.output
    assert read_secrets(file) == held
    assert told("secret", "new", file, "--force")["fingerprints"] == list(read_secrets(file).fingerprints)
    assert read_secrets(file) != held


def test_three_steps_lead_to_another_secret(file: Path) -> None:
    les("secret", "new", file)
    (old,) = read_secrets(file).accepted
    assert told("secret", "rotate", file)["step"] is None
    assert told("secret", "rotate", file, "--add")["step"] == "add"
    first, new = read_secrets(file).accepted
    assert first == old
    les("secret", "rotate", file, "--swap")
    assert read_secrets(file) == Secrets(accepted=(new, old))
    les("secret", "rotate", file, "--drop")
    assert read_secrets(file) == Secrets(accepted=(new,))


def test_it_explains_the_steps_and_where_the_file_stands(file: Path) -> None:
    les("secret", "new", file)
    output = les("secret", "rotate", file).output
    assert f"has one secret: {read_secrets(file).fingerprints[0]}" in output
    for step in ("--add", "--swap", "--drop"):
        assert f"les secret rotate {step} {file}" in output
    output = les("secret", "rotate", file, "--add").output
    assert "it dials with {} and accepts {} too".format(*read_secrets(file).fingerprints) in output


@pytest.mark.parametrize("step", ["--swap", "--drop"])
def test_a_step_that_does_not_come_next_changes_nothing(file: Path, step: str) -> None:
    les("secret", "new", file)
    held = read_secrets(file)
    result = les("secret", "rotate", file, step)
    assert result.exit_code == 2
    assert "--add comes first" in result.output
    assert read_secrets(file) == held
    les("secret", "rotate", file, "--add")
    held = read_secrets(file)
    result = les("secret", "rotate", file, "--add")
    assert result.exit_code == 2
    assert "--swap or --drop comes next" in result.output
    assert read_secrets(file) == held


def test_the_file_of_the_configuration_is_meant_where_none_is_named(file: Path) -> None:
    config = file.with_name("les.toml")
    config.write_text('[security]\nsecret_file = "secret"\n')
    les("secret", "new", file)
    assert told("secret", "rotate", "-c", config)["path"] == str(file)
    config.write_text("")
    assert "no secret_file in the configuration" in les("secret", "rotate", "-c", config).output


def test_a_step_keeps_what_a_group_was_given_and_follows_links(file: Path, tmp_path: Path) -> None:
    les("secret", "new", file)
    file.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert les("secret", "rotate", link, "--add").exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert len(read_secrets(file).accepted) == 2


def test_a_folder_that_is_not_there_is_an_error_with_advice(tmp_path: Path) -> None:
    result = les("secret", "new", tmp_path / "gone" / "secret")
    assert result.exit_code == 1
    assert "cannot be written (No such file or directory)" in result.output
