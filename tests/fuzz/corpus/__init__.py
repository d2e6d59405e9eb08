"""What was worth trying once, and is tried at each run of the suite: seeds, and one archive for each oracle."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.seeds import SEEDS

__all__ = ["corpus_of", "keep"]

_FOLDER = Path(__file__).parent
# The date that zip counts from, so that the same entries are the same archive.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def corpus_of(target: str) -> Iterator[bytes]:
    """The seeds of an oracle, and what was kept for it."""
    yield from SEEDS[target]
    archive = _FOLDER / f"{target}.zip"
    if archive.exists():
        with zipfile.ZipFile(archive) as kept:
            for name in kept.namelist():
                yield kept.read(name)


def keep(target: str, folder: Path) -> int:
    """Make the files of a folder the archive of the target; returns its size in bytes."""
    archive = _FOLDER / f"{target}.zip"
    found = {path.read_bytes() for path in folder.iterdir() if path.is_file()} - {*SEEDS[target]}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as kept:
        for number, data in enumerate(sorted(found, key=lambda data: (len(data), data))):
            kept.writestr(zipfile.ZipInfo(f"{number:04}", _NO_DATE), data, zipfile.ZIP_DEFLATED, 9)
    return archive.stat().st_size
