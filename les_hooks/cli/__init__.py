"""The command line `les`. Nothing imports it but the entry point.

Each command lives in a module of its own, which is imported when the command is used: `les status` in a shell prompt
must not wait for what only the daemon needs. So modules of commands that ask a daemon import neither asyncio nor
aiohttp; a test sees to that.
"""

from les_hooks.cli.group import cli, main

__all__ = ["cli", "main"]
