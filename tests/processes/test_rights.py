"""Which rights a process lacks is found out by looking, not by trying what they are for."""

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from les_hooks.processes.rights import lacking
from tests.needs import need_program, need_root
from tests.processes.forbid import SYSTEM_CALLS

NEEDS = ["CAP_NET_ADMIN", "CAP_NET_RAW", "AF_NETLINK", "AF_PACKET"]
_LOOK = f"import json; from les_hooks.processes.rights import lacking; print(json.dumps(lacking({NEEDS})))"


def lacking_in(*before: str) -> Sequence[str]:
    """What a process lacks that is started with these words before it."""
    done = subprocess.run(
        [*before, sys.executable, "-c", _LOOK], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    found: Sequence[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("dropped", "missing"),
    [
        ("-net_admin", ["CAP_NET_ADMIN"]),
        ("-net_raw", ["CAP_NET_RAW"]),
        ("-net_admin,-net_raw", ["CAP_NET_ADMIN", "CAP_NET_RAW"]),
    ],
)
def test_a_capability_that_was_dropped_is_lacking(dropped: str, missing: Sequence[str]) -> None:
    need_root()
    assert lacking_in() == []
    assert lacking_in(need_program("setpriv"), "--bounding-set", dropped, "--inh-caps", dropped) == missing


@pytest.mark.skipif(platform.machine() not in SYSTEM_CALLS, reason="the number of the system call is not known")
@pytest.mark.parametrize("family", ["AF_NETLINK", "AF_PACKET"])
def test_a_family_that_a_filter_forbids_is_lacking(family: str) -> None:
    found = lacking_in(sys.executable, "-m", "tests.processes.forbid", family)
    assert [need for need in found if need.startswith("AF_")] == [family]


def test_what_cannot_be_found_out_is_not_called_lacking(tmp_path: Path) -> None:
    assert lacking(["CAP_NET_ADMIN"], status=tmp_path / "none") == []
    (tmp_path / "status").write_text("Name:\tles\n")
    assert lacking(["CAP_NET_ADMIN", "CAP_OF_TOMORROW", "AF_NOBODY", "?"], status=tmp_path / "status") == []


@pytest.mark.parametrize(("bits", "missing"), [("0000000000003000", []), ("0000000000001000", ["CAP_NET_RAW"])])
def test_capabilities_are_read_from_what_the_kernel_tells(tmp_path: Path, bits: str, missing: list[str]) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tles\nCapPrm:\t0000000000000000\nCapEff:\t{bits}\nCapBnd:\tffff\n")
    assert lacking(["CAP_NET_ADMIN", "CAP_NET_RAW"], status=status) == missing
