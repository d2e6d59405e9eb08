"""What a node proves now: the file is read again when it changes, and nothing bad takes the place of what is good."""

import os
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from les_hooks.errors import StartError
from les_hooks.security import Credentials, Secret
from tests.security.files import DAY, YEAR, TestAuthority

OLD, NEW = "les_" + "a" * 43, "les_" + "b" * 43


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    write(path, OLD)
    return path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """In one step, as an operator should."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(mode)
    os.replace(new, path)


def test_without_a_file_nothing_is_proven_and_nothing_changes() -> None:
    credentials = Credentials()
    assert credentials.secrets is None
    assert credentials.proven is None
    assert not credentials.refresh()


def test_the_first_line_is_proven_and_a_change_is_taken_once(file: Path) -> None:
    credentials = Credentials(file)
    assert credentials.proven == Secret(OLD)
    assert not credentials.refresh()
    write(file, f"{NEW}\n{OLD}\n")
    with capture_logs() as logs:
        assert credentials.refresh()
        assert not credentials.refresh()
    assert credentials.proven == Secret(NEW)
    assert [log["event"] for log in logs] == ["secret-read"]
    assert NEW not in str(logs)


def test_a_comment_more_is_no_change(file: Path) -> None:
    credentials = Credentials(file)
    write(file, f"# ours\n{OLD}\n")
    assert not credentials.refresh()


@pytest.mark.parametrize("bad", ["", "short", None, "others"])
def test_a_file_that_cannot_be_used_leaves_the_secret_in_force_and_is_told_once(file: Path, bad: str | None) -> None:
    credentials = Credentials(file)
    if bad is None:
        file.unlink()
    else:
        write(file, NEW if bad == "others" else bad, 0o644 if bad == "others" else 0o600)
    with capture_logs() as logs:
        assert not credentials.refresh()
        assert not credentials.refresh()
    assert credentials.proven == Secret(OLD)
    assert [log["event"] for log in logs] == ["secret-unusable"]
    assert str(file) in credentials.warnings[0]
    write(file, NEW)
    assert credentials.refresh()
    assert credentials.warnings == ()


def test_a_node_does_not_start_with_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"secret_file .*No such file.*les secret new"):
        Credentials(tmp_path / "gone")


# -- certificates ------------------------------------------------------------------------------------------------------

HOST = "10.0.0.1"


def test_the_end_of_a_certificate_is_warned_of_once_a_day_and_loudly_when_it_has_come(tmp_path: Path) -> None:
    now = begin = time.time()
    files = TestAuthority(tmp_path).issue("a", HOST, now=begin)
    credentials = Credentials(tls_files=files, host=HOST, now=lambda: now)
    told: list[tuple[float, str, str]] = []
    for day in (0, 794.9, 795.5, 795.6, 796.4, 796.6, 824.9, 825.1, 825.2, 826.2):
        now = begin + day * DAY
        with capture_logs() as logs:
            assert not credentials.refresh()
        told += [(day, log["log_level"], log["reason"].partition(";")[0].partition(":")[0]) for log in logs]
    assert told == [
        (795.5, "warning", "the certificate of this node expires in 29 days"),
        (796.6, "warning", "the certificate of this node expires in 28 days"),
        (824.9, "warning", "the certificate of this node expires in less than a day"),
        (825.1, "error", "THE CERTIFICATE OF THIS NODE HAS EXPIRED"),
        (826.2, "error", "THE CERTIFICATE OF THIS NODE HAS EXPIRED"),
    ]
    assert credentials.warnings[0].startswith("THE CERTIFICATE OF THIS NODE HAS EXPIRED")


def test_a_new_certificate_ends_the_warnings(tmp_path: Path) -> None:
    now = time.time()
    authority = TestAuthority(tmp_path, made=now - YEAR)
    credentials = Credentials(tls_files=authority.issue("a", HOST, now=now - 810 * DAY), host=HOST, now=lambda: now)
    credentials.refresh()
    assert "expires in 1" in credentials.warnings[0]
    authority.issue("a", HOST, now=now)
    with capture_logs() as logs:
        assert credentials.refresh()
        assert not credentials.refresh()
    assert [log["event"] for log in logs] == ["certificate-read"]
    assert credentials.warnings == ()


def test_a_certificate_that_cannot_be_used_leaves_the_one_in_force_and_is_told_once(tmp_path: Path) -> None:
    files = TestAuthority(tmp_path).issue("a", HOST)
    credentials = Credentials(tls_files=files, host=HOST)
    before = credentials.tls
    files.cert.write_text("")
    with capture_logs() as logs:
        assert not credentials.refresh()
        assert not credentials.refresh()
    assert credentials.tls is before
    assert [(log["event"], log["what"]) for log in logs] == [
        ("certificate-unusable", f"[security.tls] cert_file {files.cert}")
    ]
    assert "the certificate from before is in force" in credentials.warnings[0]


def test_links_are_objected_to_whose_secret_or_authority_is_accepted_no_more(tmp_path: Path, file: Path) -> None:
    old, new = TestAuthority(tmp_path / "old"), TestAuthority(tmp_path / "new")
    files = old.trusting(old.issue("a", HOST, folder=tmp_path), new)
    credentials = Credentials(file, tls_files=files, host=HOST)
    assert credentials.tls is not None
    both = tuple(credentials.tls.authorities)
    assert len(both) == 2
    assert not any(credentials.objection(Secret(OLD), authorities) for authorities in ((), both[:1], both[1:], both))
    assert credentials.objection(None, ()) == ""
    assert credentials.objection(Secret(NEW), ()) == "its secret is accepted no more"
    files.ca.write_bytes(old.certificate)
    assert credentials.refresh()
    objections = {credentials.objection(Secret(OLD), [authority]) for authority in both}
    assert objections == {"", "the authority of its certificate is accepted no more"}


def test_an_authority_is_not_taken_for_another_one_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they have it that come out of the same template; the name is all that a certificate tells of its issuer."""
    monkeypatch.setattr("secrets.token_hex", lambda _count: "same")
    old, new = TestAuthority(tmp_path / "old"), TestAuthority(tmp_path / "new")
    files = old.issue("a", HOST, folder=tmp_path)
    credentials = Credentials(tls_files=files, host=HOST)
    before = credentials.tls
    assert before is not None
    rests = before.behind({"issuer": next(iter(before.authorities.values()))})
    new.issue("a", HOST, folder=tmp_path)
    assert credentials.refresh()
    assert credentials.tls is not None
    assert set(credentials.tls.authorities.values()) == set(before.authorities.values())
    assert credentials.objection(None, rests) == "the authority of its certificate is accepted no more"


def test_who_comes_by_way_of_others_may_rest_on_any_authority(tmp_path: Path) -> None:
    old, new = TestAuthority(tmp_path / "old"), TestAuthority(tmp_path / "new")
    files = old.trusting(old.issue("a", HOST, folder=tmp_path), new)
    credentials = Credentials(tls_files=files, host=HOST)
    assert credentials.tls is not None
    rests = credentials.tls.behind({"issuer": ((("commonName", "between"),),)})
    assert len(rests) == 2
    files.ca.write_bytes(old.certificate)
    assert credentials.refresh()
    assert credentials.objection(None, rests) == "the authority of its certificate is accepted no more"
