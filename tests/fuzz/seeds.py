"""What each target of `by_hand` begins with: what its parser gets in times of peace."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from les_hooks import wire
from les_hooks.audit.chain import BEGINNING, seal
from les_hooks.election.frames import (
    Answer,
    Ask,
    Beat,
    Bye,
    Electorate,
    Farewell,
    Frame,
    Grant,
    Hello,
    Leadership,
    Offer,
    Refusal,
    Relayed,
    Release,
    Request,
    State,
    Tell,
)
from les_hooks.election.roles import Role
from les_hooks.members import Boot, Part
from les_hooks.wire_original import encode_state
from les_plugins.vip.frames import announcements

__all__ = ["BOOT", "SEEDS", "STATE"]

BOOT: Final = Boot(7, "n0nce")
STATE: Final = State(
    address="10.0.0.1:4000",
    name="a",
    version="0.1.0",
    boot=BOOT,
    serial=3,
    start_time=1.6e9,
    newest=1.7e9,
    term=4,
    leader="10.0.0.2:4000",
    leader_boot=BOOT,
    role=Role.FOLLOWER,
    led_term=0,
    sitting=(Leadership("10.0.0.2:4000", BOOT, 4),),
    fit=True,
    links=("10.0.0.2:4000",),
    members=("10.0.0.1:4000", "10.0.0.2:4000"),
)
"""What a member says of itself that follows a leader."""
_FULL: Final = msgspec.structs.replace(
    STATE,
    fit=False,
    unfit="gateway 10.0.0.254 does not answer",
    links=("10.0.0.2:4000", "[::1]:4000"),
    members=("10.0.0.1:4000", "10.0.0.2:4000", "web.example:4000"),
    part=Part.WITNESS,
    electorate=Electorate(("10.0.0.1:4000", "10.0.0.2:4000"), 4.0),
)
_FRAMES: Final[Sequence[Frame]] = (
    Hello(protocol=1, cluster="web", address="[::1]:4000", name="a", version="0.1.0", boot=BOOT),
    Tell(seq=9, ack=8, state=_FULL, relayed=()),
    Tell(seq=9, ack=8, state=_FULL, relayed=(Relayed(state=_FULL, age=0.4),) * 2),
    Beat(seq=1, ack=2, prompt=True),
    Ask(address="10.0.0.2:4000", boot=BOOT),
    Answer(address="10.0.0.2:4000", boot=BOOT, age=None),
    Bye(boot=BOOT),
    Request(number=3, term=5, sitting=False),
    Grant(number=3, boot=BOOT),
    Refusal(number=3, boot=BOOT, term=5),
    Release(number=3, boot=BOOT),
    Offer(start_time=1.6e9, boot=BOOT),
    Farewell(protocol=1, cluster="web", address="10.0.0.2:4000", boot=BOOT),
)
_TOML: Final = b"""# a node
[node]
name = "a"
bind = "127.0.0.1:4000"
state_dir = 's'
[cluster]
seeds = ["127.0.0.1:4000", '''127.0.0.1:4001''',]
quorum = "majority"
voters = ["127.0.0.1:4000", "127.0.0.1:4001", "127.0.0.1:4002"]
[timing]
heartbeat = "500ms"
failure = "1500ms"
lease = "4s"
[plugins.vip]
addresses = ["10.0.0.100/24"]
interface = "eth0"
[[plugins.floating_ip.hetzner]]
a.b."c d" = {x = [1, [2.5, 1979-05-27T07:32:00Z]], y = \"\"\"t\"\"\"}
"""
_REQUESTS: Final = (
    {"action": "status"},
    {"action": "maintain", "arguments": {"seconds": 60.0, "note": "new kernel"}},
    {"action": "transfer", "arguments": {"target": "b", "timeout": 5}},
    {"action": "plan", "arguments": {"move": "step-down", "note": ""}},
    {"action": "plugin", "arguments": {"plugin": "vip", "action": "list", "arguments": {"a": [1, {"b": None}]}}},
)


def _record(seq: int, action: str, prev: str, **fields: object) -> tuple[bytes, str]:
    core = {"schema": "les.audit/1", "time": "2026-11-22T08:15:00.000Z", "seq": seq, "boot": "7.n", "node": "a"}
    rest = {"cluster": "web", "action": action, "outcome": "success", "reason": None, "term": 4, "leader": "a:1"}
    return seal(json.dumps(core | rest | {"event_id": None} | fields, separators=(",", ":")).encode(), prev)


def _trail() -> bytes:
    head, text = BEGINNING, b""
    says: tuple[dict[str, object], ...] = ({}, {"lost": 2, "torn_bytes": 9, "torn_kept": "x"}, {"dropped": 3})
    for seq, action, more in (
        (1, "audit.opened", says[1]),
        (2, "leader.changed", {"vacant_ms": 812.5, "leader_name": "a"}),
        (3, "leader.elected", says[0]),
        (5, "audit.dropped", says[2]),
        (6, "leader.demoted", says[0]),
        (7, "node.stopped", says[0]),
    ):
        line, head = _record(seq, action, head, **more)
        text += line
    old = b'{"schema":"les.audit/1","seq":8,"time":"2026"}\n'
    return text + old + b"torn"


def _logs() -> tuple[bytes, ...]:
    said = {"event": "audit-checkpoint", "seq": 9, "hash": "a" * 64, "node": "a", "cluster": "web"}
    line = json.dumps(said)
    plain = f"2026-11-22 [info] audit-checkpoint seq=9 hash={'a' * 64} node=a cluster=web"
    return (
        line.encode(),
        plain.encode(),
        json.dumps({"MESSAGE": line}).encode(),
        json.dumps({"MESSAGE": list(plain.encode())}).encode(),
        f"\x1b[2m2026\x1b[0m [\x1b[32minfo\x1b[0m] {plain}\n{line}\n".encode(),
    )


def _answer(*parts: object, status: int = 0) -> bytes:
    raw = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts)
    return b"\n--\n".join(bytes([status]) + part for part in raw)


_ACTION = {"id": 5, "status": "success", "error": None}
_INTERFACE = (b"token", b"02:00:00:00:00:01", b"token", b"eni-0a1b")
_ADDRESS = (
    b"<DescribeAddressesResponse><addressesSet><item><publicIp>203.0.113.7</publicIp><allocationId>eipalloc-1"
    b"</allocationId><associationId>a</associationId><networkInterfaceId>eni-2</networkInterfaceId></item>"
    b"</addressesSet></DescribeAddressesResponse>"
)
_NETWORK = (
    b"<DescribeNetworkInterfacesResponse><networkInterfaceSet><item><networkInterfaceId>eni-0a1b</networkInterfaceId>"
    b"<subnetId>subnet-1</subnetId><privateIpAddressesSet><item><privateIpAddress>10.0.0.7</privateIpAddress></item>"
    b"</privateIpAddressesSet></item></networkInterfaceSet></DescribeNetworkInterfacesResponse>"
)
_ERROR = b"<Response><Errors><Error><Code>Throttling</Code><Message>slow</Message></Error></Errors></Response>"
_UUID = "0f0e0d0c-0b0a-0908-0706-050403020100"
_LOGIN = {
    "token": {
        "expires_at": "2099-01-01T00:00:00Z",
        "catalog": [
            {"type": "network", "endpoints": [{"interface": "public", "url": "https://n.example", "region_id": "r"}]}
        ],
    }
}
_FLOATING = {"id": _UUID, "floating_ip_address": "203.0.113.7", "port_id": None, "revision_number": 3, "status": "DOWN"}
_CLOUDS: Final = (
    b"\0"
    + _answer(b"111", {"reserved_ip": {"ip": "203.0.113.7", "droplet": {"id": 222}, "locked": False}})
    + b"\n--\n"
    + _answer({"action": {"id": 5, "status": "in-progress"}}, {"action": {"id": 5, "status": "completed"}}),
    b"\1"
    + _answer(b"111", {"reserved_ipv6": {"ip": "2001:db8::7"}})
    + b"\n--\n"
    + _answer({"message": "p"}, status=12),
    b"\2" + _answer(b"111", {"floating_ip": {"id": 7, "ip": "203.0.113.7", "server": 1}}, {"action": _ACTION}),
    b"\3"
    + _answer(
        b"111",
        {"server": {"id": 111, "private_net": [{"network": 3, "alias_ips": ["10.0.0.9"]}]}},
        {"network": {"id": 3, "servers": [111, 222]}},
        {"server": {"id": 222, "private_net": [{"network": 3, "alias_ips": ["10.0.0.7"]}]}},
    ),
    b"\4" + _answer(*_INTERFACE, _ADDRESS),
    b"\4" + _answer(*_INTERFACE) + b"\n--\n" + _answer(_ERROR, status=7),
    b"\5" + _answer(*_INTERFACE, _NETWORK),
    b"\6" + _answer({"uuid": _UUID}, _LOGIN, {"ports": [{"id": _UUID}]}, {"floatingips": [_FLOATING]}),
)
_MAC = b"\x02\0\0\0\0\1"
_CLAIMS: Final = (
    *announcements(ipaddress.ip_address("10.0.0.100"), _MAC, router=False),
    *announcements(ipaddress.ip_address("fd00::64"), _MAC, router=True),
)
_KEPT = {
    "version": 1,
    "counter": 3,
    "term": 9,
    "newest": 1.7e9,
    "reserved": 1000,
    "running": {"boot": [7, "n"], "pid": 9},
    "granted_term": 9,
    "granted_boot": [7, "n"],
    "longest_lease": 4.0,
}
_TOLD = {"leader": "a:1", "term": 3, "members": ["a:1"], "audit_seq": 4, "audit_hash": "a" * 64}
_COMMANDS: Final = (
    b"authority 5.5 9.0\nintent r1 authority\ngroup 99999999 authority r1\nending 99999999 7.5\nended 99999999\nbye\n",
    b"authority none none\nintent r2 release\nunstarted r2\ngroup 1 daemon\ngroup 0 daemon\nauthority nan inf\n",
)

SEEDS: Final[Mapping[str, Sequence[bytes]]] = MappingProxyType(
    {
        "frame": tuple(map(wire.encode, _FRAMES)),
        "handshake": tuple(bytes((place * step + step) % 256 for place in range(90)) for step in range(1, 60, 2)),
        "secret": (b"# ours\n" + b"les_" + b"a" * 43 + b"\n" + b"0123456789abcdef" * 2 + b"\n", b"les_short\n"),
        "machine": tuple(bytes((17 * step * place + step) % 256 for place in range(200)) for step in range(1, 30)),
        "original": (encode_state(_FULL), b'{"members": ["a:1", "b:1"], "leader": false, "start_time": 1.6e9}'),
        "settings": (_TOML, _TOML.replace(b"\n", b"\r\n")),
        "request": tuple(json.dumps(each).encode() + b"\n" for each in _REQUESTS),
        "trail": (_trail(),),
        "log": _logs(),
        "state": tuple(json.dumps(each).encode() for each in (_KEPT, {"voters": ["a:1"]}, _TOLD)),
        "claim": _CLAIMS,
        "receiver": (
            b"\0\x64OK\n\nthanks",
            b"\x01\x91Too many\n120\nslow down",
            b"\x01\x93no\nWed, 21 Oct 2026 07:28:00 GMT\n<html>",
        ),
        "cloud": _CLOUDS,
        "guard": _COMMANDS,
        "words": ("\x1b[31mred\x1b]0;t\x07 \u202e\u2028\ttext".encode(), "ü\n".encode()),
    }
)
"""By the name of the oracle."""
