"""Nodes that have their leader from etcd: beside `etcdctl lock` on the same servers, and at rest. For the benchmark."""

import argparse
import os

from tests.bench.etcd import handover, load
from tests.bench.table import show
from tests.etcd.nodes import TTL_SECONDS

__all__ = ["main"]


def main(asked: argparse.Namespace) -> None:
    """Measure what was asked for, and print it."""
    _show_load()
    title = f"Hand-over beside etcdctl lock, ttl {TTL_SECONDS} s, three servers, {asked.lanes} at a time"
    show(title, handover.measure(asked.runs, asked.lanes))
    for nodes in asked.nodes:
        _show_load()
        title = f"On etcd, {nodes} nodes at rest for {asked.seconds:g} s, each number of one node"
        show(title, load.measure(nodes, asked.seconds, asked.calm))
    _show_load()


def _show_load() -> None:
    print(f"load average {os.getloadavg()[0]:.2f}")
