"""What etcd's errors mean: whether another endpoint may do better, or the answer is no. Pure; private to `etcd`."""

import re
from enum import IntEnum
from typing import Final

import msgspec

from les_hooks.wire import excerpt

__all__ = ["Code", "EndpointError", "EtcdError", "judged", "judged_reason", "read_error", "streamed_error"]


class Code(IntEnum):
    """The codes of gRPC that something depends on."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    FAILED_PRECONDITION = 9
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    UNAUTHENTICATED = 16


# All others are about the state of one server, or of its cluster: no leader, too slow, too busy, no space.
_DEFINITE: Final = frozenset(Code)

# Codes lie: this one comes as a failed precondition, and is over as soon as another endpoint is asked.
_NOT_LEADER: Final = "etcdserver: not leader"
# And this is how newer gateways say that they have no such path, in the code of a lease that is gone.
_NO_PATH: Final = "Not Found"
# As do those that come with a token that is not of use any more, or without one, as invalid arguments.
_NO_TOKEN: Final = ("etcdserver: user name is empty", "etcdserver: revision of auth store is old")
_NO_AUTH: Final = "etcdserver: authentication is not enabled"
_WRONG_PASSWORD: Final = "etcdserver: authentication failed"  # noqa: S105  (words of etcd)

_REASON: Final = re.compile(r"rpc error: code = (?P<code>\w+) desc = (?P<words>.*)", re.DOTALL)
_CODES: Final = {code.name.replace("_", "").lower(): code for code in Code}


class EndpointError(Exception):
    """This endpoint did not do it, and another may: `why` is a phrase without the endpoint's name."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class EtcdError(Exception):
    """etcd says no: by which code, and in which words."""

    def __init__(self, code: Code, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words

    @property
    def wants_token(self) -> bool:
        """Whether a new token may help."""
        return self.code is Code.UNAUTHENTICATED or self.words.startswith(_NO_TOKEN)

    @property
    def wants_no_token(self) -> bool:
        """Whether it knows no users, and so has no tokens."""
        return self.words.startswith(_NO_AUTH)

    @property
    def wrong_password(self) -> bool:
        """Whether user and password do not go together."""
        return self.words.startswith(_WRONG_PASSWORD)


class _Said(msgspec.Struct):
    """An error in a body, and the same one in a stream, which calls things by other names."""

    message: str
    code: int = 2
    grpc_code: int | None = None


class _Streamed(msgspec.Struct):
    error: _Said


_whole = msgspec.json.Decoder(_Said)
_streamed = msgspec.json.Decoder(_Streamed)


def judged(code: int, words: str) -> EndpointError | EtcdError:
    """What an error of gRPC comes to."""
    words = excerpt(words)
    if code not in _DEFINITE or words.startswith((_NOT_LEADER, _NO_PATH)):
        return EndpointError(words or f"fails with code {code} of gRPC")
    return EtcdError(Code(code), words or f"refused with code {code} of gRPC")


def judged_reason(reason: str) -> EndpointError | EtcdError:
    """The same for the words with which a watch is taken back."""
    match = _REASON.fullmatch(reason)
    if match is None:
        return EndpointError(f"took the watch back ({excerpt(reason) or 'without a word'})")
    code = _CODES.get(match["code"].lower())
    return EndpointError(excerpt(match["words"])) if code is None else judged(code, match["words"])


def streamed_error(line: bytes) -> EndpointError | EtcdError | None:
    """What a message of a stream says that is an error; None for all that is none."""
    try:
        said = _streamed.decode(line).error
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: no UTF-8
        return None
    return judged(said.code if said.grpc_code is None else said.grpc_code, said.message)


def read_error(status: int, body: bytes) -> EndpointError | EtcdError:
    """What an answer says whose status is no good one."""
    if 300 <= status < 400:
        return EndpointError(f"sends elsewhere (status {status}), which is not followed")
    if (streamed := streamed_error(body)) is not None:
        return streamed
    try:
        said = _whole.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        if status == 404:
            return EndpointError("has no gRPC gateway of etcd 3.4 or later at /v3 (status 404)")
        return EndpointError(f"fails with status {status}")
    return judged(said.code, said.message)
