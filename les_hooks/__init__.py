"""les-hooks: leader election by seniority, and hooks that run when leadership moves."""

__version__ = "0.1.0"
