"""The page, the metrics and the API: a listener of its own, `[http] listen`, with the pages that plugins add.

    place       the address or the Unix socket
    connection  its limits
    gate        who may ask; tokens, login: how a browser shows that it may
    listener    from a request to the page that answers it
    routes      which pages there can be; answers: what is said where there is none
    api         what the engine answers itself; events: what happens, as it happens
    openapi     the description of the pages; operations, shapes: what each takes and answers, and what is in it
    report      what a node tells of itself
    serve       all of it for one node

Beside `control`, of whose answers it makes use; imported by `cli` and by library users.
"""

from les_hooks.http.place import check_files, check_port
from les_hooks.http.serve import serve_http

__all__ = ["check_files", "check_port", "serve_http"]
