"""Signatures as https://www.standardwebhooks.com has them (symmetric, `v1`). Private to `webhook`."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["parse_secrets", "sign"]

PREFIX = "whsec_"
_FEWEST_BYTES = 24
_MOST_BYTES = 64
# While a secret rotates there are two; each is a signature in the header.
_MOST_SECRETS = 8


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """The keys of a file with one secret a line: `whsec_` and base64 of 24 to 64 bytes. Lines may be empty.

    Raises ValueError with the reason, which names the line and never what it holds.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    keys = tuple(_key(number, line) for number, line in lines if line)
    if not keys:
        raise ValueError('holds no secret; make one with: echo "whsec_$(head -c 32 /dev/urandom | base64)"')
    if len(keys) > _MOST_SECRETS:
        raise ValueError(f"holds more than {_MOST_SECRETS} secrets; keep the newest and the one before")
    return keys


def _key(number: int, line: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        key = b""
    if not line.startswith(PREFIX) or not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(f"line {number} is not {PREFIX} and base64 of {_FEWEST_BYTES} to {_MOST_BYTES} bytes")
    return key


def sign(keys: Sequence[bytes], delivery_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each key, in their order. `timestamp` is in Unix seconds."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
