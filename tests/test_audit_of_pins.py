"""`.ci/audit.py` with a stand-in for pip-audit: what is known fails CI, and no answer is not taken for a good one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CLEAN = {"name": "click", "version": "8.5.1", "vulns": []}
BAD = {
    "name": "aiohttp",
    "version": "3.14.5",
    "vulns": [{"id": "PYSEC-2027-1", "aliases": ["CVE-2027-1"], "fix_versions": ["3.14.6"], "description": "bad"}],
}
UNKNOWN = {"name": "pluggy", "skip_reason": "Dependency not found on PyPI and could not be audited: pluggy (1.7.0)"}
NO_NAME = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.osv.dev', port=443): Max retries exceeded"
REFUSED = "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed"


class Audit:
    """A copy of `.ci/audit.py` beside its files, over a pip-audit that says what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / ".ci" / "audit.py", folder)
        (folder / "requirements.txt").write_text("click==8.5.1 --hash=sha256:00\n", encoding="utf-8")
        self.exempt("")

    def exempt(self, text: str) -> None:
        (self.folder / "advisories.toml").write_text(text, encoding="utf-8")

    def answers(self, **services: Any) -> None:
        """By service: packages that it tells of, or the words with which pip-audit ends instead."""
        (self.folder / "pip_audit.py").write_text(
            f"import json, sys\nservices = {services!r}\n"
            "(name,) = (word.partition('=')[2] for word in sys.argv if word.startswith('--vulnerability-service='))\n"
            "answer = services[name]\n"
            "if isinstance(answer, str):\n"
            "    sys.exit(answer)\n"
            "passed = [word.partition('=')[2] for word in sys.argv if word.startswith('--ignore-vuln=')]\n"
            "for package in answer:\n"
            "    package['vulns'] = [each for each in package.get('vulns', []) if each['id'] not in passed]\n"
            "    'skip_reason' in package and package.pop('vulns')\n"
            "print(json.dumps({'dependencies': answer, 'fixes': []}))\n"
            "sys.exit(any(package.get('vulns') for package in answer))\n",
            encoding="utf-8",
        )

    def run(self) -> tuple[int, str]:
        """Exit code, and what it printed."""
        environ = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [sys.executable, str(self.folder / "audit.py")]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """In a folder of its own."""
    return Audit(tmp_path)


def test_nothing_known_is_well(audit: Audit) -> None:
    audit.answers(pypi=[CLEAN])
    assert audit.run() == (0, "pypi: no known advisories on 1 packages\n")


def test_an_advisory_fails_and_says_what_mends_it(audit: Audit) -> None:
    audit.answers(pypi=[CLEAN, BAD])
    assert audit.run() == (1, "aiohttp 3.14.5: PYSEC-2027-1, CVE-2027-1; mended in 3.14.6\n")


@pytest.mark.parametrize("words", [NO_NAME, REFUSED, "requests.exceptions.ReadTimeout: pypi.org"])
def test_a_service_that_cannot_be_reached_is_no_failure_and_no_all_clear(audit: Audit, words: str) -> None:
    audit.answers(pypi=words, osv=NO_NAME)
    code, text = audit.run()
    assert code == 0
    assert "NOT AUDITED: neither pypi nor osv can be reached" in text
    assert "no known" not in text


def test_an_index_that_knows_packages_and_not_their_advisories_is_no_all_clear_either(audit: Audit) -> None:
    """pip-audit itself says "No known vulnerabilities found" then."""
    audit.answers(pypi=[UNKNOWN], osv=NO_NAME)
    code, text = audit.run()
    assert code == 0
    assert "NOT AUDITED: neither" in text


def test_where_one_service_does_not_answer_the_other_is_asked(audit: Audit) -> None:
    audit.answers(pypi=REFUSED, osv=[BAD])
    code, text = audit.run()
    assert code == 1
    assert "pypi: no answer\naiohttp 3.14.5: " in text


def test_a_single_package_that_nobody_knows_is_named(audit: Audit) -> None:
    audit.answers(pypi=[CLEAN, UNKNOWN])
    code, text = audit.run()
    assert code == 0
    assert text.startswith("NOT AUDITED: pluggy: ")


@pytest.mark.parametrize("words", ["ERROR:pip_audit._cli:invalid requirements input", "ImportError: no module"])
def test_a_pip_audit_that_is_broken_fails(audit: Audit, words: str) -> None:
    audit.answers(pypi=words)
    assert audit.run() == (2, f"pip-audit failed: {words}\n")


def test_an_exception_holds_until_its_day_and_fails_from_then_on(audit: Audit) -> None:
    exception = '[[exempt]]\nid = "PYSEC-2027-1"\nreason = "we do not parse that"\nuntil = {}\n'
    audit.answers(pypi=[BAD])
    audit.exempt(exception.format("9999-01-01"))
    assert audit.run()[0] == 0
    audit.exempt(exception.format("2026-01-01"))
    code, text = audit.run()
    assert code == 1
    assert "advisories.toml: the exception for PYSEC-2027-1 ended on 2026-01-01" in text
    assert "aiohttp 3.14.5" in text


def test_the_pip_audit_that_is_installed_reads_the_pins_as_the_script_asks(tmp_path: Path) -> None:
    """With a service that is not there, so that nothing but its own words is tested."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off"]
    command += [f"--requirement={ROOT / '.ci' / 'requirements.txt'}", "--vulnerability-service=osv", "--format=json"]
    command += ["--osv-url=http://127.0.0.1:9/", f"--cache-dir={tmp_path}", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert "dependencies" in json.loads(done.stdout)
