"""Errors: whether another endpoint may do better, a new token may help, or the answer is no."""

import json

import pytest

from les_plugins.etcd.faults import Code, EndpointError, EtcdError, judged, judged_reason, read_error, streamed_error


def body(code: int, words: str) -> bytes:
    return json.dumps({"error": words, "message": words, "code": code}).encode()


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (503, 14, "etcdserver: no leader"),
        (503, 14, "etcdserver: request timed out"),
        (503, 14, "etcdserver: leader changed"),
        (504, 4, "context deadline exceeded"),
        (429, 8, "etcdserver: mvcc: database space exceeded"),
        (500, 13, "whatever"),
        (500, 2, "whatever"),
        (412, 9, "etcdserver: not leader"),
        (404, 5, "Not Found"),
        (500, 99, "a code of tomorrow"),
    ],
)
def test_what_is_about_one_server_is_tried_at_another(status: int, code: int, words: str) -> None:
    error = read_error(status, body(code, words))
    assert isinstance(error, EndpointError)
    assert error.why == words


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, 3, "etcdserver: duplicate key given in txn request"),
        (404, 5, "etcdserver: requested lease not found"),
        (403, 7, "etcdserver: permission denied"),
        (400, 11, "etcdserver: mvcc: required revision has been compacted"),
        (501, 12, "Method Not Allowed"),
    ],
)
def test_what_all_would_say_is_a_no(status: int, code: int, words: str) -> None:
    error = read_error(status, body(code, words))
    assert isinstance(error, EtcdError)
    assert (error.code, error.words, error.wants_token) == (code, words, False)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Code.UNAUTHENTICATED, "etcdserver: invalid auth token"),
        (Code.INVALID_ARGUMENT, "etcdserver: user name is empty"),
        (Code.INVALID_ARGUMENT, "etcdserver: revision of auth store is old"),
    ],
)
def test_a_token_that_is_of_no_use_is_told_from_a_no(code: Code, words: str) -> None:
    error = judged(code, words)
    assert isinstance(error, EtcdError)
    assert error.wants_token


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (307, b"", "sends elsewhere (status 307), which is not followed"),
        (302, body(5, "x"), "sends elsewhere"),
        (404, b"Not Found", "has no gRPC gateway of etcd 3.4 or later"),
        (502, b"<html>", "fails with status 502"),
        (403, b"<html>", "fails with status 403"),
        (400, b"", "fails with status 400"),
        (400, b'{"message": 5}', "fails with status 400"),
        (400, b"[" * 9999, "fails with status 400"),
        (400, b"\xff", "fails with status 400"),
    ],
)
def test_what_is_no_answer_of_etcd_is_tried_elsewhere(status: int, said: bytes, words: str) -> None:
    error = read_error(status, said)
    assert isinstance(error, EndpointError)
    assert words in error.why


def test_words_of_a_stranger_are_made_harmless() -> None:
    error = read_error(500, body(14, "\x1b[31mred\n" + "x" * 9999))
    assert isinstance(error, EndpointError)
    assert error.why.isprintable()
    assert len(error.why) <= 200


def test_an_error_in_a_stream_goes_by_other_names() -> None:
    error = streamed_error(b'{"error": {"grpc_code": 7, "http_code": 403, "message": "etcdserver: permission denied"}}')
    assert isinstance(error, EtcdError)
    assert error.code is Code.PERMISSION_DENIED
    assert streamed_error(b'{"result": {}}') is None


def test_a_watch_is_taken_back_in_words() -> None:
    refused = judged_reason("rpc error: code = PermissionDenied desc = etcdserver: permission denied")
    assert isinstance(refused, EtcdError)
    assert refused.code is Code.PERMISSION_DENIED
    gone = judged_reason("rpc error: code = Unavailable desc = etcdserver: no leader")
    assert isinstance(gone, EndpointError)
    assert gone.why == "etcdserver: no leader"
    assert isinstance(judged_reason("something new"), EndpointError)
