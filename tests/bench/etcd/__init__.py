"""Nodes that have their leader from etcd, measured beside `etcdctl lock` on the same servers. For the benchmark."""

import argparse
import os

from tests.bench.etcd import handover
from tests.bench.table import show
from tests.etcd.nodes import TTL_SECONDS

__all__ = ["main"]


def main(asked: argparse.Namespace) -> None:
    """Measure what was asked for, and print it."""
    print(f"load average {os.getloadavg()[0]:.2f}")
    title = f"Hand-over beside etcdctl lock, ttl {TTL_SECONDS} s, three servers, lanes {asked.lanes}"
    show(title, handover.measure(asked.runs, asked.lanes))
