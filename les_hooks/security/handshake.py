"""What `ssl` says of handshakes and certificates, in words for an operator. Imported through the package."""

import ssl
from typing import Final

__all__ = ["EXPIRED", "NOT_YET_VALID", "UNKNOWN_ISSUER", "WRONG_PURPOSE", "handshake_words", "reason_of"]

# Of OpenSSL's x509_vfy.h.
NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
WRONG_PURPOSE: Final = 26
UNKNOWN_ISSUER: Final = (2, 18, 19, 20, 21)

# What OpenSSL makes of other bytes than those of TLS.
_NO_TLS: Final = ("HTTP_REQUEST", "WRONG_VERSION_NUMBER", "HTTPS_PROXY_REQUEST", "RECORD_LAYER_FAILURE")


def handshake_words(error: Exception) -> str:
    """What to log of a handshake with another node that has failed; it is told of that node."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in UNKNOWN_ISSUER:
            return "shows a certificate of an authority that is not in ca_file"
        return f"shows a certificate that is refused: {error.verify_message}"
    reason = error.reason or "" if isinstance(error, ssl.SSLError) else ""
    if reason in _NO_TLS:
        return "speaks no TLS, which [security.tls] asks for: set it on both ends"
    if "PROTOCOL" in reason or "VERSION" in reason:
        return "speaks no TLS 1.3"
    return f"failed in the handshake: {reason_of(error) or 'broke off'}"


def reason_of(error: Exception) -> str:
    """In lower case, and without the names of OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        # Where OpenSSL has no word for it, which is so for a file that is cut, `ssl` tells a line of its own source.
        return (error.reason or "a part is missing").lower().replace("_", " ")
    return str(error).lower().replace("_", " ")
