"""The HTTP client of a node: it goes where it is sent, and nowhere else. For this package only."""

from types import SimpleNamespace

import aiohttp

from les_hooks.errors import PeerError

__all__ = ["new_session"]


def new_session(connect_seconds: float) -> aiohttp.ClientSession:
    """A client that takes nothing from the environment, keeps nothing, and goes nowhere else than it was sent.

    A connection that is not there after `connect_seconds` is given up: its request was lost, or nobody lives there, and
    the kernel would repeat it only after a second.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        # No limit: there are no more connections than dialed addresses, which are limited.
        connector=aiohttp.TCPConnector(
            limit=0, force_close=True, use_dns_cache=False, resolver=aiohttp.ThreadedResolver()
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds),  # each use has a limit of its own
        auto_decompress=False,
        trust_env=False,
        trace_configs=[trace],
    )


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    params.response.close()
    raise PeerError(params.url.authority, "redirects to somewhere else")
