"""Writing the files of `les init`: nothing is touched that stands there already. For this package."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from les_hooks.errors import StartError

__all__ = ["NewFile", "existing", "write_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to be written; a `text` of None stands for an empty folder."""

    path: Path
    text: str | None


def existing(files: Iterable[NewFile]) -> list[Path]:
    """Which of the files are there already, dangling links included; a folder that is there is no obstacle."""
    return [
        file.path for file in files if os.path.lexists(file.path) and not (file.text is None and file.path.is_dir())
    ]


def write_all(files: Sequence[NewFile]) -> None:
    """Write the files, in place of what is there. Raises StartError where one cannot be written."""
    for file in files:
        try:
            _make_folder(file.path if file.text is None else file.path.parent)
            if file.text is not None:
                _replace(file.path, file.text)
        except OSError as error:
            why = f"cannot be written ({error.strerror or error})"
            raise StartError(str(file.path), why, "name another folder, or run this as who may write there") from error


def _make_folder(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        # Whatever the umask: a daemon of root runs nothing from a folder that a group could write.
        path.chmod(0o755)


def _replace(path: Path, text: str) -> None:
    # A new file in the place of the old one: a link is replaced and not followed, and a reader sees one or the other.
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with open(fd, "w", encoding="utf-8") as file:
        os.fchmod(fd, 0o644)
        file.write(text)
    draft.replace(path)
