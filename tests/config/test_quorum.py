"""Who votes, and for how long: what is refused, with words that say what would do, and what is only advised."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from les_hooks.config import Config, Quorum, advice, restart_keys, show
from les_hooks.errors import ConfigError
from les_hooks.members import Part
from tests.config.conftest import Load, Problems

VOTERS = 'voters = ["10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.3:4000"]'


def text(*cluster: str, address: str = "10.0.0.1:4000", timing: str = "") -> str:
    """A node at the address, with `quorum` on line 6 and the given lines of `[cluster]` after it."""
    head = f'[node]\nbind = "{address}"\n[security]\ninsecure = true\n[cluster]\nquorum = "majority"'
    return "\n".join([head, *cluster, "[timing]", timing])


def advised(config: Config) -> list[str]:
    return [str(problem) for problem in advice(config)]


def test_three_voters_are_all_that_a_majority_needs(load: Load) -> None:
    config = load(text(VOTERS))
    assert config.cluster.quorum is Quorum.MAJORITY
    assert config.cluster.role is Part.MEMBER
    assert config.timing.lease == 4.0
    assert advised(config) == []


def test_the_voters_are_the_seeds_where_none_are_named(load: Load) -> None:
    for config in (load(text(VOTERS)), load(text(VOTERS, "seeds = []"))):
        assert config.cluster.seeds == config.cluster.voters
    shown = {setting.key: setting.origin for setting in show(load(text(VOTERS)))}
    assert shown["cluster.seeds"] == "cluster.voters"
    assert load(text(VOTERS, 'seeds = ["10.0.0.9:4000"]')).cluster.seeds == ("10.0.0.9:4000",)


def test_voters_have_one_spelling(load: Load) -> None:
    config = load(text('voters = ["10.0.0.1:4000", "[2001:DB8:0::2]:4000", "Web-3.Example:4000"]'))
    assert config.cluster.voters == ("10.0.0.1:4000", "[2001:db8::2]:4000", "web-3.example:4000")


def test_who_votes_and_for_how_long_changes_with_a_restart_only(load: Load) -> None:
    old = load(text(VOTERS))
    new = load(text(VOTERS.replace("10.0.0.3", "10.0.0.4"), 'role = "witness"', timing='lease = "5s"'))
    assert restart_keys(old, new) == ("cluster.role", "cluster.voters", "timing.lease")
    assert restart_keys(old, load(text(VOTERS).replace('quorum = "majority"', "").replace("voters", "seeds"))) == (
        "cluster.quorum",
        "cluster.voters",
    )


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            (),
            '6:1: cluster.quorum: "majority" is one of configured voters, and there are none; list the nodes that '
            'vote, the same on every node, such as voters = ["10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.3:4000"]',
        ),
        (
            ('seeds = ["10.0.0.7:4000", "10.0.0.8:4000"]',),
            '6:1: cluster.quorum: "majority" is one of configured voters, and there are none; list the nodes that '
            'vote, the same on every node, such as voters = ["10.0.0.7:4000", "10.0.0.8:4000"]',
        ),
        (
            ('voters = ["10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.1:4000"]',),
            '7:45: cluster.voters[2]: "10.0.0.1:4000" is listed twice; is another node meant?',
        ),
        (
            (VOTERS, 'alone_after = "60s"'),
            '8:1: cluster.alone_after: with quorum = "majority" nobody leads without a majority of voters, however '
            'long it has been alone; remove alone_after, or set quorum = "members"',
        ),
        (
            (VOTERS, 'role = "observer"'),
            '8:1: cluster.role: an observer has no vote, and "10.0.0.1:4000" is among voters; take it out of voters '
            'on every node, or make this node a "member" or a "witness"',
        ),
        (
            ('voters = ["10.0.0.2:4000", "10.0.0.3:4000", "a.example:4000"]', 'role = "witness"'),
            '8:1: cluster.role: a witness does nothing but vote, and "10.0.0.1:4000" is not among voters, which are '
            "compared as they are written; add it to voters on every node, or remove this node",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(problems: Problems, lines: tuple[str, ...], problem: str) -> None:
    assert problems(text(*lines)) == [f"les.toml:{problem}"]


def test_nobody_asks_voters_in_members_mode(problems: Problems) -> None:
    assert problems(f"[cluster]\n{VOTERS.replace('10.0.0', '127.0.0')}") == [
        'les.toml:2:1: cluster.voters: nobody asks voters with quorum = "members"; set quorum = "majority", or remove '
        "voters"
    ]


@pytest.mark.parametrize("role", ["witness", "observer"])
def test_roles_need_no_voters_in_members_mode(load: Load, role: str) -> None:
    config = load(f'[cluster]\nrole = "{role}"\nalone_after = "60s"')
    assert (config.cluster.role, config.cluster.alone_after) == (role, 60.0)
    assert advised(config) == []


def test_more_voters_than_make_sense_are_refused(problems: Problems) -> None:
    voters = ", ".join(f'"10.0.0.{number}:4000"' for number in range(1, 17))
    assert problems(text(f"voters = [{voters}]")) == ["les.toml:7:1: cluster.voters: expected array of length <= 15"]


def test_voters_of_other_hosts_want_an_address_that_they_reach(problems: Problems) -> None:
    assert problems(f'[cluster]\nquorum = "majority"\n{VOTERS}') == [
        'les.toml:3:1: node.advertise: "127.0.0.1:4000" means another host to the voter "10.0.0.1:4000"; set bind, or '
        "advertise, to the address that the voters reach this node at"
    ]


@pytest.mark.parametrize(
    ("timing", "problem"),
    [
        (
            'lease = "3s"',
            '9:1: timing.lease: "3s" is less than 1.53 times the sum of failure, "1500ms", and heartbeat, "500ms"; '
            'lease = "3100ms" would do',
        ),
        (
            'lease = "1s"',
            '9:1: timing.lease: "1s" is shorter than failure, "1500ms", and less than 1.53 times the sum of failure, '
            '"1500ms", and heartbeat, "500ms"; lease = "3100ms" would do',
        ),
        (
            'failure = "3s"',
            '9:1: timing.lease: "4s" is less than 1.53 times the sum of failure, "3s", and heartbeat, "500ms"; '
            'lease = "5400ms" would do',
        ),
    ],
)
def test_a_silent_leader_is_noticed_within_two_thirds_of_a_lease(problems: Problems, timing: str, problem: str) -> None:
    assert problems(text(VOTERS, timing=timing)) == [f"les.toml:{problem}"]


def test_exactly_enough_is_enough_and_members_mode_has_no_lease(load: Load) -> None:
    assert load(text(VOTERS, timing='lease = "3060ms"')).timing.lease == 3.06
    assert load('[timing]\nlease = "1ms"').timing.lease == 0.001


def test_where_heartbeat_is_wrong_too_the_advice_is_one_set_that_would_do(problems: Problems, load: Load) -> None:
    found = problems(text(VOTERS, timing='heartbeat = "2s"\nlease = "5s"'))
    assert [line.partition("; ")[2] for line in found] == [
        'heartbeat = "2s" and failure = "6s" would do',
        'heartbeat = "2s", failure = "6s" and lease = "12300ms" would do',
    ]
    assert load(text(VOTERS, timing='heartbeat = "2s"\nfailure = "6s"\nlease = "12300ms"'))


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_what_is_advised_does(load: Load, heartbeat: int, failure: int, lease: int) -> None:
    said = {"heartbeat": f"{heartbeat}ms", "failure": f"{failure}ms", "lease": f"{lease}ms"}

    def timing() -> str:
        return "\n".join(f'{key} = "{value}"' for key, value in said.items())

    try:
        load(text(VOTERS, timing=timing()))
    except ConfigError as error:
        assert heartbeat * 3 > failure or lease * 100 < 153 * (failure + heartbeat)
        for problem in error.problems:
            words = problem.message.rpartition("; ")[2].removesuffix(" would do").replace(" and ", ", ")
            said |= {key: value.strip('"') for key, value in (pair.split(" = ") for pair in words.split(", "))}
        load(text(VOTERS, timing=timing()))
    else:
        assert heartbeat * 3 <= failure
        assert lease * 100 >= 153 * (failure + heartbeat)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "nobody leads when the only voter is lost; 3 voters survive the loss of one"),
        (2, "nobody leads when one of 2 voters is lost; add a third, which may be a witness on the smallest machine"),
        (4, "4 voters survive the loss of 1, just as 3 do, and one more can fail; have 3 or 5"),
        (6, "6 voters survive the loss of 2, just as 5 do, and one more can fail; have 5 or 7"),
    ],
)
def test_an_even_number_of_voters_is_advised_against(load: Load, count: int, words: str) -> None:
    voters = ", ".join(f'"10.0.0.{number}:4000"' for number in range(1, count + 1))
    assert advised(load(text(f"voters = [{voters}]"))) == [f"les.toml:7:1: cluster.voters: {words}"]


def test_a_member_without_a_vote_may_be_another_spelling_of_a_voter(load: Load) -> None:
    assert advised(load(text(VOTERS, address="10.0.0.4:4000"))) == [
        'les.toml:7:1: cluster.voters: this node, "10.0.0.4:4000", is not among them: it may lead with the others\' '
        "votes, and has none itself; addresses are compared as they are written, so if one of them is this node, "
        "write it as advertise"
    ]


def test_an_observer_without_a_vote_is_what_it_should_be(load: Load) -> None:
    assert advised(load(text(VOTERS, 'role = "observer"', address="10.0.0.4:4000"))) == []


@pytest.mark.parametrize("alone_after", ["0s", "100ms", "6499ms"])
def test_leading_alone_before_the_others_can_have_started_is_advised_against(load: Load, alone_after: str) -> None:
    (told,) = advised(load(f'[cluster]\nalone_after = "{alone_after}"'))
    assert told.startswith(f'les.toml:2:1: cluster.alone_after: "{alone_after}" is shorter than nodes that start')
    assert told.endswith('"60s" would do, and "6500ms" is the least that makes sense')


@pytest.mark.parametrize("said", ['alone_after = "6500ms"', 'alone_after = "0s"\nrole = "observer"', ""])
def test_who_waits_long_enough_or_never_leads_is_not(load: Load, said: str) -> None:
    assert advised(load(f"[cluster]\n{said}")) == []
