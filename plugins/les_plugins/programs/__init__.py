"""Programs of the operator: which of them run, how they are called, and whether others could change them.

`scripts`, `checks` and `floating_ip` share this; it is no plugin.

    folder   what is in a folder, and why a file does not run
    calling  arguments, variables and input
    trust    whether others could change what the daemon runs
"""

from les_plugins.programs.calling import Call, call
from les_plugins.programs.folder import Found, Verdict, judge, look, missing_interpreter

__all__ = ["Call", "Found", "Verdict", "call", "judge", "look", "missing_interpreter"]
