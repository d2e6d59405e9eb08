"""`les demo`: three real daemons on this machine, what happens when leaders die, and how long it takes.

    acts       what is done to the cluster, as data
    scenery    the temporary folder: one `les.toml` a node, and the scripts in `hooks.d`
    fleet      the daemons' processes, and leaving none behind
    notes      what a daemon's log says, as values
    stage      who lives, who leads and who knows whom, from those notes
    timeline   what a person sees of it
    director   plays the acts, and measures
    report     the closing table, for people and for machines

Imported by `cli` only.
"""

from les_hooks.demo.acts import ACTS, Act, Deed
from les_hooks.demo.director import Director
from les_hooks.demo.fleet import Fleet
from les_hooks.demo.report import Report, Row
from les_hooks.demo.timeline import Timeline

__all__ = ["ACTS", "Act", "Deed", "Director", "Fleet", "Report", "Row", "Timeline"]
