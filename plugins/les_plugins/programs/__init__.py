"""Programs that an operator puts into a folder: which of them run, and whether others could change them.

`scripts` and `checks` share this; it is no plugin.

    folder  what is in a folder, and why a file does not run
    trust   whether others could change what root runs
"""

from les_plugins.programs.folder import Found, Verdict, judge, look, missing_interpreter

__all__ = ["Found", "Verdict", "judge", "look", "missing_interpreter"]
