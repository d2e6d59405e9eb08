"""Look up known advisories on what `.ci/requirements.txt` pins; called by `.ci/run`, imported by nothing.

Exit codes: 0 where there are none, 1 where there are, or an exception has run out, 2 where pip-audit itself fails.
A service that cannot be reached is no finding: then it says `not audited` and goes on, as CI must run where there is no
more than a package index.
"""

import datetime
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
# The index knows what was reported to it; the other one is asked where the index answers nothing.
SERVICES: Final = ("pypi", "osv")
_LIMIT_SECONDS: Final = 600
# pip-audit exits with 1 for a finding as for a service that is not there, which only its words tell apart.
_UNREACHED: Final = re.compile(
    r"requests\.exceptions\.|interface\.ServiceError|Could not connect|is not redirecting properly"
)


class BrokenError(Exception):
    """pip-audit did not do its work, for another reason than the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exempt:
    """An advisory that is passed over before the day `until`, and why."""

    id: str
    reason: str
    until: datetime.date


def exempted(path: Path) -> list[Exempt]:
    """Those of the file."""
    return [Exempt(**each) for each in tomllib.loads(path.read_text(encoding="utf-8")).get("exempt", ())]


def ask(service: str, pins: Path, exempt: Sequence[Exempt]) -> list[dict[str, Any]] | None:
    """What the service knows of each pinned package; None where it cannot be reached. Raises BrokenError."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off"]
    command += [f"--requirement={pins}", f"--vulnerability-service={service}", "--format=json"]
    command += [f"--ignore-vuln={each.id}" for each in exempt]
    try:
        done = subprocess.run(  # noqa: S603  (our own interpreter, and words of this file and of the list beside it)
            command, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        if _UNREACHED.search(done.stderr):
            return None
        raise BrokenError(done.stderr.strip() or f"exit code {done.returncode}, and no words") from None
    if not isinstance(found, list):
        raise BrokenError(f"its answer has no list of packages: {done.stdout[:200]}")
    # A mirror that has the packages and not what is said of them: "no known vulnerabilities" is then no answer.
    return found if any("skip_reason" not in each for each in found) else None


def findings(packages: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each advisory."""
    return [
        f"{package['name']} {package['version']}: {', '.join([known['id'], *known.get('aliases', ())])}; "
        f"mended in {', '.join(known['fix_versions']) or 'no version yet'}"
        for package in packages
        for known in package.get("vulns", ())
    ]


def main(pins: Path, exceptions: Path, today: datetime.date) -> int:
    """Print what was found, and return the exit code."""
    exempt = exempted(exceptions)
    overdue = [each for each in exempt if each.until <= today]
    for each in overdue:
        print(f"{exceptions.name}: the exception for {each.id} ended on {each.until}: mend it, or say anew why not")
    for service in SERVICES:
        try:
            packages = ask(service, pins, [each for each in exempt if each not in overdue])
        except BrokenError as error:
            print(f"pip-audit failed: {error}")
            return 2
        if packages is None:
            print(f"{service}: no answer")
            continue
        for package in packages:
            if "skip_reason" in package:
                print(f"NOT AUDITED: {package['name']}: {package['skip_reason']}")
        found = findings(packages)
        print("\n".join(found) or f"{service}: no known advisories on {len(packages)} packages")
        return 1 if found or overdue else 0
    print(f"NOT AUDITED: neither {' nor '.join(SERVICES)} can be reached from here; nothing is known of {pins.name}")
    return 1 if overdue else 0


if __name__ == "__main__":
    today = datetime.datetime.now(datetime.UTC).date()
    sys.exit(main(FOLDER / "requirements.txt", FOLDER / "advisories.toml", today))
