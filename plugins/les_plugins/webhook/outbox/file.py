"""The file of the outbox: made with its tables, looked through, and put aside where it cannot be used.

For `store` and `writer`.
"""

import os
import shutil
import sqlite3
from pathlib import Path

__all__ = ["StoreTooNew", "open_file", "put_aside"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE post (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of an endpoint's rows; never used twice
    endpoint TEXT NOT NULL,
    delivery TEXT NOT NULL,
    event BLOB NOT NULL,
    size INTEGER NOT NULL,
    created REAL NOT NULL,
    state TEXT NOT NULL,
    held_for TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    died REAL,
    UNIQUE (endpoint, delivery)
) STRICT;
CREATE INDEX in_order ON post (endpoint, state, id);
CREATE TABLE endpoint (
    name TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0,
    disabled TEXT NOT NULL DEFAULT '',
    disabled_at REAL
) STRICT, WITHOUT ROWID;
CREATE TABLE fact (subject TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tally (
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (endpoint, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER counted AFTER INSERT ON post BEGIN
    INSERT INTO tally VALUES (NEW.endpoint, NEW.state, 1, NEW.size)
    ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + NEW.size;
END;
CREATE TRIGGER discounted AFTER DELETE ON post BEGIN
    UPDATE tally SET rows = rows - 1, bytes = bytes - OLD.size WHERE endpoint = OLD.endpoint AND state = OLD.state;
END;
CREATE TRIGGER recounted AFTER UPDATE OF state ON post BEGIN
    UPDATE tally SET rows = rows - 1, bytes = bytes - OLD.size WHERE endpoint = OLD.endpoint AND state = OLD.state;
    INSERT INTO tally VALUES (NEW.endpoint, NEW.state, 1, NEW.size)
    ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + NEW.size;
END;
"""

# As long as SQLite waits for another process, `les cleanup` beside a frozen daemon say.
_BUSY_SECONDS = 0.4
_WAL_BYTES = 4 * 2**20

# A disk that damages a file each day must not be filled by that.
_MOST_KEPT = 3


class StoreTooNew(Exception):  # noqa: N818  (it says what is so; whoever catches it goes on with a new file)
    """The file was written by a newer version."""


def open_file(path: Path) -> sqlite3.Connection:
    """Open it, looked through and with its tables, for statements that begin and end transactions themselves.

    Raises sqlite3.Error, with SQLITE_CORRUPT or SQLITE_NOTADB where it is damaged, OSError or StoreTooNew.
    """
    # SQLite would make it with the umask's mode; what it adds beside it has the mode of the file.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise StoreTooNew(f"it has version {version}, and this daemon knows {_VERSION}")
    if version == 0:
        db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version = {_VERSION};COMMIT;")


def put_aside(path: Path, now: float) -> Path:
    """Move it, and what SQLite keeps beside it, into a folder of its own; returns that. Raises OSError.

    Without its companions it could not be looked at; and left behind they would be taken for those of the next file.
    """
    folder = path.with_name(f"{path.name}.corrupt-{now:.0f}")
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        if path.with_name(name).exists():
            path.with_name(name).rename(folder / name)
    for old in sorted(path.parent.glob(f"{path.name}.corrupt-*"))[:-_MOST_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder
