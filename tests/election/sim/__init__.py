"""A simulator of whole clusters: real machines on virtual clocks and a virtual network, one seed per story.

    clocks       the two clocks of a host, their rate, steps and stops
    hosts        a host: its clocks, its disk, the process that runs on it
    network      links as TCP has them, and a looser kind that loses, doubles and reorders frames
    original     a node of the old protocol
    world        time, the calendar, and what the shell does around a machine
    watch        what must hold at every step
    storms       random faults, then calm, then agreement

`python -m tests.election.sim --help` runs it by the thousand.
"""
