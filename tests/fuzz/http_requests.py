"""Requests over HTTP that are nearly right, as bytes."""

from hypothesis import strategies as st

__all__ = ["HEADERS", "bodies", "requests"]

_PATHS = (
    *(b"/", b"/ping", b"/state", b"/state/a:1", b"/state/%ff", b"/diag/", b"/les/link"),
    *(b"/leader", b"/login", b"/logout", b"/term", b"/api/v1/status", b"/api/v1/history?n=9", b"/api/v1/events"),
    *(b"*", b"//a", b"http://a:b/", b"[::1"),
)
HEADERS = (
    *(b"Host: localhost", b"Host: [", b"Host: \xff", b"Content-Length: 3", b"Content-Length: 99999999999999999999"),
    *(b"Transfer-Encoding: chunked", b"Connection: Upgrade", b"Connection: close", b"Upgrade: websocket"),
    *(b"Upgrade: h2c", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: x", b"Sec-WebSocket-Key: \xff"),
    *(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Protocol: les.secret.1, \xe9"),
    *(b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99", b"Expect: 100-continue"),
    *(b'Cookie: a="\\999"; =; les=%00', b"Authorization: Bearer \xe9", b"Authorization: Bearer", b"X: \x00"),
    *(b"Origin: http://[", b"Sec-Fetch-Site: cross-site", b"Last-Event-ID: " + b"9" * 5000, b"Accept: text/html"),
    *(b"Content-Type: application/x-www-form-urlencoded; charset=x", b"Content-Type: multipart/form-data"),
    *(b"X-Forwarded-Proto: \x85", b"Content-Encoding: deflate", b" folded", b": nameless", b"Range: bytes=9-0"),
)
"""Lines of a head, some of them with a meaning, and most of them wrong."""

_words = st.text("ABCdef!%/?#[]@:=& \t\x7f\xe9", max_size=8).map(str.encode)
_first_lines = st.tuples(
    st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"PUT", b"get", b""]) | _words,
    st.sampled_from(_PATHS) | _words.map(lambda more: b"/state/" + more) | _words,
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.", b""]),
).map(b" ".join)
_heads = st.lists(st.sampled_from(HEADERS) | st.binary(max_size=20), max_size=6)

bodies = st.binary(max_size=60) | st.sampled_from(
    [b"", b"a=b", b"token=%ff&next=%2f%2fevil", b"3\r\nabc\r\n0\r\n\r\n", b"zz\r\n"]
)
"""What may follow a head."""

requests = st.binary(max_size=120) | st.tuples(_first_lines, _heads, bodies).map(
    lambda parts: b"\r\n".join([parts[0], *parts[1], b"", parts[2]])
)
"""Whole requests, or what looks like one for a while."""
