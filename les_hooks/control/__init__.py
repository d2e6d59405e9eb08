"""The control socket: how `les` talks to its daemon. One line of JSON each way; imported by daemon and command line.

Nothing is imported here: the client must start quickly, and the server needs asyncio.
"""
