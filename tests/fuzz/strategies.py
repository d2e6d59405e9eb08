"""Frames as nodes send them, over all that their types and `wire` allow. For whoever tests what travels."""

from hypothesis import strategies as st

from les_hooks import wire
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

__all__ = ["frames", "json_values"]

_addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(1, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"),
    st.tuples(st.ip_addresses(v=6), st.integers(1, 65535)).map(lambda pair: f"[{pair[0]}]:{pair[1]}"),
    st.tuples(st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9})?", fullmatch=True), st.integers(1, 65535)).map(
        lambda pair: f"{pair[0]}:{pair[1]}"
    ),
)
_names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
_versions = st.sampled_from(["", "0.1.0", "1.0rc1+deb.2"])
_counts = st.integers(0, 2**53)
_stamps = st.floats(0, 2**33)
_boots = st.builds(Boot, _counts, _names)
_states = st.builds(
    State,
    address=_addresses,
    name=_names,
    version=_versions,
    boot=_boots,
    serial=_counts,
    start_time=_stamps,
    newest=_stamps,
    term=_counts,
    leader=st.none() | _addresses,
    leader_boot=st.none() | _boots,
    role=st.sampled_from([role.value for role in Role]),
    led_term=_counts,
    sitting=st.lists(st.builds(Leadership, _addresses, _boots, _counts), max_size=3).map(tuple),
    fit=st.booleans(),
    links=st.lists(_addresses, max_size=3).map(tuple),
    members=st.lists(_addresses, max_size=3).map(tuple),
    part=st.sampled_from([part.value for part in Part]),
    unfit=st.text(max_size=300).map(wire.phrase),
    electorate=st.none()
    | st.builds(
        Electorate,
        st.sets(_addresses, min_size=1, max_size=4).map(lambda voters: tuple(sorted(voters))),
        st.floats(0.001, 366 * 86400),
    ),
)
_relayed = st.builds(Relayed, state=_states, age=_stamps, original=st.just(False))

frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(
        Hello,
        protocol=st.integers(0, 99),
        cluster=_names,
        address=_addresses,
        name=_names,
        version=_versions,
        boot=_boots,
    ),
    st.builds(Tell, seq=_counts, ack=_counts, state=_states, relayed=st.lists(_relayed, max_size=3).map(tuple)),
    st.builds(Beat, seq=_counts, ack=_counts, prompt=st.booleans()),
    st.builds(Ask, address=_addresses, boot=_boots),
    st.builds(Answer, address=_addresses, boot=_boots, age=st.none() | _stamps),
    st.builds(Bye, boot=_boots),
    st.builds(Request, number=_counts, term=st.integers(1, 2**53), sitting=st.booleans()),
    st.builds(Grant, number=_counts, boot=_boots),
    st.builds(Refusal, number=_counts, boot=_boots, term=_counts),
    st.builds(Release, number=_counts, boot=_boots),
    st.builds(Offer, start_time=_stamps, boot=_boots),
    st.builds(Farewell, protocol=st.integers(0, 99), cluster=_names, address=_addresses, boot=_boots),
)
"""Every kind of frame that a node of this protocol may send."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
"""Any JSON, not much of it."""
