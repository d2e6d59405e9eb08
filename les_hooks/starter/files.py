"""Writing new files, those of `les init` among them: nothing is touched that stands there already. For the commands."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from les_hooks.errors import StartError

__all__ = ["NewFile", "existing", "write_all"]

_FOLDER_MODE: Final = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to be written; a `text` of None stands for an empty folder. Who is `private` is its owner's alone."""

    path: Path
    text: str | None
    private: bool = False

    @property
    def mode(self) -> int:
        """What it may be used for."""
        mode = _FOLDER_MODE if self.text is None else 0o644
        return mode & 0o700 if self.private else mode


def existing(files: Iterable[NewFile]) -> list[Path]:
    """Which of the files are there already, dangling links included; a folder that is there is no obstacle."""
    return [
        file.path for file in files if os.path.lexists(file.path) and not (file.text is None and file.path.is_dir())
    ]


def write_all(files: Sequence[NewFile]) -> None:
    """Write the files, in place of what is there. Raises StartError where one cannot be written."""
    for file in files:
        try:
            if file.text is None:
                _make_folder(file.path, file.mode)
            else:
                _make_folder(file.path.parent, _FOLDER_MODE)
                _replace(file.path, file.text, file.mode)
        except OSError as error:
            why = f"cannot be written ({error.strerror or error})"
            raise StartError(str(file.path), why, "name another folder, or run this as who may write there") from error


def _make_folder(folder: Path, mode: int) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode)
        # Whatever the umask: a daemon of root runs nothing from a folder that a group could write.
        path.chmod(mode if path == folder else _FOLDER_MODE)


def _replace(path: Path, text: str, mode: int) -> None:
    # A new file in the place of the old one: a link is replaced and not followed, and a reader sees one or the other.
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(fd, "w", encoding="utf-8") as file:
        os.fchmod(fd, mode)
        file.write(text)
    draft.replace(path)
