"""A simulator of nodes on one etcd: real backends on the etcd in memory, on one virtual loop, one seed per story.

loops   the loop that all run in, and the one that each host believes to run in: its clock, its pauses, its end
world   hosts and processes, and what a node does around its backend
judge   what must hold at every report
storms  random faults, then calm, then agreement
naive   the simplest engine, with mistakes in it: the simulator must find them
"""
