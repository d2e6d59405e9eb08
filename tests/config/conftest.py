"""A folder to write `les.toml` in, and the problems that it has."""

import os
from pathlib import Path
from typing import Any, Protocol

import pytest

from les_hooks.config import Config, load_config
from les_hooks.errors import ConfigError


class Load(Protocol):
    """Writes a text to `les.toml` in the working folder (None writes none), and loads it; options are load_config's."""

    def __call__(self, text: str | bytes | None = "", **options: Any) -> Config: ...


class Problems(Protocol):
    """As Load, for a text that has problems: returns each on its line."""

    def __call__(self, text: str | bytes | None = "", **options: Any) -> list[str]: ...


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A host of the name `host.example`, an ordinary user at home in /home/u, and nothing in /etc."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("socket.gethostname", lambda: "host.example")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("les_hooks.config.source.DEFAULT_FILES", (Path("les.toml"), Path("etc/les.toml")))

    def load(text: str | bytes | None = "", **options: Any) -> Config:
        if text is not None:
            Path("les.toml").write_bytes(text.encode() if isinstance(text, str) else text)
        return load_config(**{"environ": {"HOME": "/home/u"}} | options)

    return load


@pytest.fixture
def problems(load: Load) -> Problems:
    """What is wrong with a text."""

    def problems(text: str | bytes | None = "", **options: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **options)
        return str(caught.value).splitlines()

    return problems
