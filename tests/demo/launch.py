"""Becomes Python with these arguments, with the signals as a terminal gives them: `python launch.py -m les_hooks demo`.

A test run in the background, or under nohup, ignores some of them, and what it starts inherits that.
"""

import os
import signal
import sys

for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
