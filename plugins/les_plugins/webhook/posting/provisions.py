"""What a post needs from files: the URL, the keys to sign with, and whom TLS trusts. Private to `webhook`.

All of it blocks. The files are looked at again and again, so that a secret can be rotated without a reload.
"""

import contextlib
import functools
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import yarl

from les_hooks.errors import LesHooksError
from les_hooks.security import MOST_BYTES, exposed, read_private
from les_plugins.webhook.posting.guardrails import why_refused
from les_plugins.webhook.posting.redaction import Redactor
from les_plugins.webhook.posting.signing import parse_secrets
from les_plugins.webhook.settings import Endpoint, parse_url

__all__ = ["Provisions", "Stamp", "Unready", "provide", "stamp"]

Stamp = tuple[tuple[int, int, int] | None, ...]
"""What changes with a file and its rights: inode, time and size of each; None for one that is not there."""


class Unready(LesHooksError):  # noqa: N818  (nothing is wrong with the delivery)
    """Nothing can be posted at present, and `why`; it may be possible once an operator has mended it."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisions:
    """All that is secret about an endpoint, and so is in no text: `redactor` takes it out of those of others."""

    url: yarl.URL
    keys: tuple[bytes, ...]
    tls: ssl.SSLContext
    redactor: Redactor
    stamp: Stamp

    def __repr__(self) -> str:
        return "Provisions(...)"


def stamp(endpoint: Endpoint) -> Stamp:
    """Look whether the files of an endpoint are the same as before."""
    return tuple(map(_stamp, filter(None, (endpoint.url_file, endpoint.secret_file, endpoint.ca_file))))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size


def provide(endpoint: Endpoint) -> Provisions:
    """Read what the endpoint needs. Raises Unready."""
    # Before the files are read: what changes meanwhile is read once more.
    before = stamp(endpoint)
    url, secrets = _url(endpoint), _secrets(endpoint)
    try:
        keys = parse_secrets(secrets) if endpoint.secret_file is not None else ()
    except ValueError as error:
        raise Unready(f"secret_file: {endpoint.secret_file}: {error}") from None
    redactor = Redactor.of(url, [*secrets.split(), *endpoint.headers.values()])
    try:
        # As it is written: a signature in it may depend on each character.
        target = yarl.URL(url, encoded=True)
    except ValueError:
        raise Unready("the URL cannot be used; is its host right?") from None
    with contextlib.suppress(ValueError):  # a name, which is looked up at each attempt
        if why := why_refused(target.host or ""):
            raise Unready(f"{target.host} {why}; no webhook is posted there")
    return Provisions(url=target, keys=keys, tls=_tls(endpoint.ca_file), redactor=redactor, stamp=before)


def _url(endpoint: Endpoint) -> str:
    if endpoint.url is not None:
        return endpoint.url
    assert endpoint.url_file is not None, "settings see to it"
    try:
        url = parse_url(_text("url_file", endpoint.url_file, "URL").strip())
    except ValueError as error:
        raise Unready(f"url_file: what is in {endpoint.url_file} {error}") from None
    if url.startswith("http:") and not endpoint.allow_http:
        raise Unready(f"url_file: the URL in {endpoint.url_file} is not encrypted; use https, or allow_http = true")
    return url


def _secrets(endpoint: Endpoint) -> str:
    return "" if endpoint.secret_file is None else _text("secret_file", endpoint.secret_file, "secret")


def _text(key: str, path: Path, what: str) -> str:
    try:
        if unsafe := exposed(path, what):
            raise Unready(f"{key}: {unsafe}")
        raw = read_private(path)
    except OSError as error:
        raise Unready(f"{key}: {path}: {error.strerror}; it has to hold the {what}") from None
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or len(raw) > MOST_BYTES:
        raise Unready(f"{key}: {path}: holds no {what}; write it there")
    return text


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return _system_tls()
    try:
        return _made_tls(ca_file)
    except (OSError, ssl.SSLError) as error:  # SSLError is an OSError too, without a strerror that says anything
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise Unready(f"ca_file: {ca_file}: {why}; it has to hold whom to trust, in PEM") from None


# The authorities of a system are a megabyte, which all endpoints share.
@functools.cache
def _system_tls() -> ssl.SSLContext:
    return _made_tls(None)


def _made_tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
