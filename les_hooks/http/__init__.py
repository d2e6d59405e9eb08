"""The page, the metrics and the API: a listener of its own, `[http] listen`, with the pages that plugins add.

    listener  the socket, connections and their limits
    gate      who may ask: host names, token, cookie
    api       what the engine answers itself
    report    what a node tells of itself
    serve     all of it for one node

Beside `control`, of whose answers it makes use; imported by `cli` and by library users.
"""

from les_hooks.http.serve import serve_http

__all__ = ["serve_http"]
