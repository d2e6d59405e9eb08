"""Work that says every 10 ms that it is alive, as a program: `python -IS work.py STORY [stubborn]`. For `story`.

Without `site` it is up in some ten milliseconds, and its hundred lines a second cost a third of a percent of a core.
"""

import posix
import signal
import sys
import time


def main(story: str, *how: str) -> None:
    """Append lines to the file until the end; `stubborn` work does not end when it is asked to."""
    if "stubborn" in how:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    place = posix.open(story, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT, 0o600)
    name, term = posix.environ[b"LES_NAME"], posix.environ[b"LES_TERM"]
    rest = b" %b %d %b works\n" % (name, posix.getpid(), term)
    while True:
        # One write a line: who is killed leaves no half of one.
        posix.write(place, b"%.6f" % time.clock_gettime(time.CLOCK_BOOTTIME) + rest)
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
