"""The audit trail: who led when and why, what every hook did, what operators asked for. Imported by what acts."""

from les_hooks.audit.actions import CHAIN_FIELDS, CORE_FIELDS, SCHEMA, Action, Outcome
from les_hooks.audit.chain import Head
from les_hooks.audit.reader import Damage, Entry, read
from les_hooks.audit.trail import Audit

__all__ = ["CHAIN_FIELDS", "CORE_FIELDS", "SCHEMA", "Action", "Audit", "Damage", "Entry", "Head", "Outcome", "read"]
