"""What calls over HTTP have in common: who calls, when to call again, and words for what went wrong.

`floating_ip` and `webhook` share this; it is no plugin.
"""

import email.utils

import aiohttp

from les_hooks import __version__
from les_plugins.lookup import os_words

__all__ = ["USER_AGENT", "retry_after", "web_words"]

USER_AGENT = f"les-hooks/{__version__}"

_LONGEST_RETRY_SECONDS = 3600.0


def retry_after(text: str, now: float) -> float:
    """Seconds, from the header Retry-After, which has a number of them or a date; an hour at most, 0.0 for no such.

    `now` is in Unix seconds.
    """
    if text.isascii() and text.isdigit() and len(text) < 10:
        seconds = float(text)
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return 0.0
    return min(max(0.0, seconds), _LONGEST_RETRY_SECONDS)


def web_words(error: aiohttp.ClientError | OSError) -> str:
    """Why there is no answer, in a few words without the URL."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"no valid certificate ({error.certificate_error})"
        case aiohttp.ClientConnectorSSLError():
            # Its number is none of the system's.
            return f"no TLS ({(error.os_error.reason or 'a broken connection').replace('_', ' ').lower()})"
        case aiohttp.ServerDisconnectedError():
            return "hung up without an answer"
        case aiohttp.InvalidURL():
            return "no usable host in the URL"
        case OSError():
            return os_words(getattr(error, "os_error", error))
        case aiohttp.ClientPayloadError():
            return "hung up in the middle of its answer"
        case _:
            return "no answer in HTTP"
