import os

import pytest

from tests.needs import need_program, need_root


def test_a_missing_program_skips_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LES_TEST_STRICT", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs the program les-none"):
        need_program("les-none")


def test_under_strict_it_fails_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LES_TEST_STRICT", "1")
    with pytest.raises(pytest.fail.Exception, match="needs the program les-none, and LES_TEST_STRICT=1"):
        need_program("les-none")


def test_without_root_what_mounts_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LES_TEST_STRICT", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="needs root"):
        need_root()
