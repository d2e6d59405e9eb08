"""Millions of tries, steered by coverage: run by hand, with an engine that is no dependency. See `__main__`."""
