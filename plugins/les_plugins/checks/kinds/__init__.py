"""The kinds of checks, one module each. A probe looks once, and says why not, or nothing. Private to `checks`."""
