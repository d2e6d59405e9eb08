"""Whether a web server answers as it should. Private to `checks`."""

import aiohttp

from les_hooks import __version__
from les_plugins.lookup import Lookup, Resolver, os_words

__all__ = ["get"]

_MOST_BYTES = 64 * 1024
_MOST_REDIRECTS = 5
_ANY_SUCCESS = (200, 299)


async def get(url: str, lookup: Lookup, statuses: tuple[int, int] | None, *, follow_redirects: bool) -> str:
    """Get the page, and judge its status. Up to 64 KiB of the body are waited for, and thrown away."""
    low, high = statuses or _ANY_SUCCESS
    # A connection of its own each time: one that is kept says nothing about a server that accepts no new ones.
    connector = aiohttp.TCPConnector(resolver=Resolver(lookup), use_dns_cache=False, force_close=True, limit=1)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # what is thrown away need not be unpacked, and may be a bomb
        headers={"User-Agent": f"les-hooks/{__version__}", "Accept": "*/*"},
    )
    try:
        async with (
            session,
            session.get(url, allow_redirects=follow_redirects, max_redirects=_MOST_REDIRECTS) as response,
        ):
            if not low <= response.status <= high:
                return f"answers {response.status}"
            left = _MOST_BYTES
            while left > 0 and (chunk := await response.content.read(left)):
                left -= len(chunk)
            return ""
    except aiohttp.TooManyRedirects:
        return f"redirects more than {_MOST_REDIRECTS} times"
    except aiohttp.ClientConnectorCertificateError as error:
        return f"has no valid certificate ({error.certificate_error})"
    except aiohttp.ClientOSError as error:
        return os_words(getattr(error, "os_error", error))
    except aiohttp.ServerDisconnectedError:
        return "hangs up without an answer"
    except aiohttp.ClientResponseError:
        return "does not answer in HTTP"
    except aiohttp.ClientPayloadError:
        return "hangs up in the middle of its answer"
