"""The books that the machine keeps: links, signs of life, addresses, originals, and what may not fill them."""

from les_hooks.election.effects import Changed, Dial, Drop
from les_hooks.election.frames import Beat, Bye, Relayed
from les_hooks.election.messages import (
    DialFailed,
    Introduced,
    LinkDown,
    OriginalFailed,
    SeedIsSelf,
)
from les_hooks.events import Reason
from les_hooks.members import Address, Boot, MemberKind
from tests.election.lone import FIRST, ME, WALL, Lone, state_of


def reasons(lone: Lone) -> list[tuple[str, Reason]]:
    """Who went so far, and why."""
    views = [effect.view for effect in lone.history if isinstance(effect, Changed)]
    return [(gone.address, gone.reason) for view in views for gone in view.departed]


def test_frames_that_answer_none_of_ours_are_no_sign_of_life() -> None:
    """A link that works in one direction only is not a link."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.beat("a:1")
    answered = lone.sent("a:1")
    while lone.members() and lone.now < 110:
        lone.tick(0.25)
        lone.beat("a:1", ack=answered)
    assert 101.5 < lone.now < 102.8


def test_an_answer_to_what_was_never_sent_is_none() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    while lone.members() and lone.now < 110:
        lone.tick(0.25)
        lone.beat("a:1", ack=99)
    assert lone.members() == []


def test_old_news_of_a_member_brings_nobody_in() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("a:1")
    lone.tell("a:1", Relayed(state=state_of("b:1"), age=1.5), Relayed(state=state_of(ME), age=0.0))
    assert lone.members() == ["a:1"]


def test_an_older_state_replaces_no_newer_one() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1", start_time=WALL - 5, serial=7)
    lone.tell("a:1", start_time=WALL - 6, serial=6)
    assert lone.machine.view.members[0].start_time == WALL - 5


def test_a_frame_over_a_link_that_is_closed_is_ignored() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("a:1")
    lone.give(LinkDown(address=Address("a:1")))
    lone.tell("a:1")
    assert lone.members() == []


def test_a_goodbye_without_a_word_before_is_no_departure() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("a:1")
    lone.frame("a:1", Bye(boot=FIRST))
    assert reasons(lone) == []


def test_a_node_with_our_own_address_is_turned_away() -> None:
    lone = Lone()
    lone.seeds("alias:1")
    lone.link(ME, Boot(9, "thief"), dialed="alias:1")
    assert lone.dropped() == [ME]
    lone.tell(ME, boot=Boot(9, "thief"))
    lone.poll(ME)
    assert lone.members() == []


def test_a_link_that_nothing_comes_over_is_dialed_anew() -> None:
    """It may hang for ever while a new one would work; others that hear the member keep it a member meanwhile."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.link("a:1")
    lone.join("b:1")
    lone.history.clear()
    for _ in range(12):
        lone.live(0.25, "a:1")
        lone.tell("a:1", Relayed(state=state_of("b:1"), age=0.0), links=("b:1",))
    assert lone.history.count(Dial(address=Address("b:1"))) == 1
    assert lone.members() == ["a:1", "b:1"]
    lone.join("b:1")
    lone.live(0.6, "a:1", "b:1")
    assert all(member.direct for member in lone.machine.view.members)


def test_a_link_over_which_nobody_says_what_he_is_is_broken_after_failure() -> None:
    """Otherwise strangers that say hello and no more would fill the port."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.link("stranger:1")
    lone.live(1.4, "a:1")
    assert Drop(address=Address("stranger:1")) not in lone.history
    lone.live(0.6, "a:1")
    assert Drop(address=Address("stranger:1")) in lone.history
    assert lone.frame("stranger:1", Beat(seq=1, ack=0)) == []
    assert lone.members() == ["a:1"]


def test_the_first_words_over_a_new_link_to_a_member_that_others_hear_may_take_as_long() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.tell("a:1", Relayed(state=state_of("b:1"), age=0.0), links=("b:1",))
    lone.link("b:1")
    lone.history.clear()
    for _ in range(5):
        lone.live(0.25, "a:1")
        lone.tell("a:1", Relayed(state=state_of("b:1"), age=0.0), links=("b:1",))
    assert Drop(address=Address("b:1")) not in lone.history
    lone.tell("b:1")
    assert [member.direct for member in lone.machine.view.members if member.address == "b:1"] == [True]


def test_what_others_tell_waits_for_the_first_words_over_a_new_link() -> None:
    """Otherwise late news of a process before would make its successor come, go and come."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.link("b:1", Boot(2, "y"))
    lone.tell("a:1", Relayed(state=state_of("b:1"), age=0.0))
    assert lone.members() == ["a:1"]


def test_a_member_that_was_lost_is_looked_for_for_an_hour() -> None:
    """It may be cut off together with others who do not know our seeds."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.join("b:1")
    lone.live(2, "a:1")
    assert lone.members() == ["a:1"]
    lone.give(DialFailed(address=Address("b:1"), refused=False))
    assert lone.dropped() == []
    lone.now += 3600
    lone.wall += 3600
    lone.tick()
    lone.tell("a:1")
    assert lone.dropped() == ["b:1"]


def test_a_seed_that_is_no_seed_any_more_is_dropped_unless_it_is_a_member() -> None:
    lone = Lone()
    lone.seeds("a:1", "b:1")
    lone.join("a:1")
    lone.give(DialFailed(address=Address("b:1"), refused=False))
    lone.seeds("c:1")
    assert lone.dropped() == ["b:1"]
    assert lone.dialed() == ["c:1"]


def test_a_seed_that_leads_back_here_is_dialed_on_and_introduced_to_nobody() -> None:
    lone = Lone()
    lone.seeds("a:1", "alias:1")
    lone.give(SeedIsSelf(address=Address("alias:1")))
    assert lone.dropped() == []
    lone.give(Introduced(address=Address("alias:1")))
    assert lone.dialed() == []
    lone.give(Introduced(address=ME))
    assert lone.dialed() == []
    lone.seeds("a:1")
    assert lone.dropped() == ["alias:1"]


def test_what_is_no_seed_and_leads_back_here_is_left_alone_and_forgotten() -> None:
    """Otherwise who asks for our state in the name of every address of this host would fill our memory."""
    lone = Lone()
    lone.seeds("a:1", "alias:1")
    for number in range(1, 100):
        address = Address(f"127.0.0.{number}:1")
        lone.give(Introduced(address=address))
        assert lone.dialed() == [address]
        lone.give(SeedIsSelf(address=address))
        assert lone.dropped() == [address]
    lone.give(SeedIsSelf(address=Address("alias:1")))
    assert lone.machine._contacts.selves == {"alias:1"}
    lone.seeds("a:1", "127.0.0.1:1")
    assert lone.machine._contacts.selves == set()
    assert lone.dialed() == ["127.0.0.1:1"]


def test_no_list_of_members_makes_a_node_dial_without_end() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("a:1")
    many = tuple(f"10.0.{i // 250}.{i % 250}:1" for i in range(1000))
    lone.tell("a:1", members=many)
    assert len(lone.dialed()) == 64
    lone.seeds("a:1", "seed:1")
    assert lone.dialed() == ["seed:1"]


def test_strangers_that_are_introduced_crowd_out_no_member() -> None:
    lone = Lone()
    lone.seeds("a:1")
    for number in range(300):
        lone.give(Introduced(address=Address(f"10.0.{number // 250}.{number % 250}:1")))
    assert len(lone.machine._contacts.wanted) == 65
    lone.link("a:1")
    lone.tell("a:1", Relayed(state=state_of("b:1"), age=0.0), members=("a:1", "b:1", "c:1"))
    assert lone.dialed() == ["b:1"]
    lone.link("c:1")
    assert lone.dialed() == ["c:1"]
    lone.poll("o:1")
    assert lone.dialed() == ["o:1"]
    for tried in ("b:1", "10.0.0.7:1"):
        lone.give(DialFailed(address=Address(tried), refused=False))
    lone.give(Introduced(address=Address("d:1")))
    assert lone.dialed() == ["d:1"]


def test_a_link_that_stands_is_kept_although_its_address_cannot_be_dialed() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.link("b:1")
    lone.give(DialFailed(address=Address("b:1"), refused=True))
    assert lone.dropped() == []
    lone.tell("b:1")
    lone.give(DialFailed(address=Address("b:1"), refused=True))
    assert lone.members() == ["b:1"]


def test_no_news_make_a_list_of_members_too_long_for_a_frame() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    for block in range(3):
        news = [Relayed(state=state_of(f"10.0.{block}.{i}:1"), age=0.0) for i in range(1, 200)]
        lone.tell("a:1", *news)
    assert len(lone.machine.state.members) == 256
    lone.join("b:1")
    assert "b:1" not in lone.members()


def test_more_members_may_be_lost_than_can_be_looked_for() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    for block in range(3):
        news = [Relayed(state=state_of(f"10.0.{block}.{i}:1"), age=0.0) for i in range(1, 200)]
        lone.tell("a:1", *news)
        lone.live(2, "a:1")
    assert lone.members() == ["a:1"]


# -- originals ---------------------------------------------------------------------------------------------------------


def test_an_original_is_a_member_of_its_own_kind() -> None:
    lone = Lone()
    lone.seeds("o:1")
    lone.poll("o:1", leader="o:1")
    lone.live(0.6)
    [member] = [member for member in lone.machine.view.members if member.address == "o:1"]
    assert (member.kind, member.role, member.direct) == (MemberKind.ORIGINAL, "leader", True)
    assert lone.machine.view.leader == "o:1"
    before = lone.machine.state
    lone.poll("o:1", leader="o:1")
    assert lone.machine.state == before
    lone.poll("o:1")
    assert lone.machine.view.leader is None


def test_an_original_confirms_in_its_own_words() -> None:
    lone = Lone()
    lone.seeds("o:1")
    lone.poll("o:1", start_time=WALL + 90000, leader=ME)
    lone.live(0.6)
    assert lone.machine.view.leading


def test_an_original_that_restarted_is_another_process() -> None:
    lone = Lone()
    lone.seeds("o:1")
    lone.poll("o:1", start_time=WALL - 100)
    lone.poll("o:1", start_time=WALL - 1)
    assert reasons(lone) == [("o:1", Reason.RESTARTED)]
    assert lone.members() == ["o:1"]


def test_an_original_is_gone_when_a_poll_fails() -> None:
    for refused, reason in ((True, Reason.REFUSED), (False, Reason.TIMEOUT)):
        lone = Lone()
        lone.seeds("a:1")
        lone.poll("o:1")
        lone.give(OriginalFailed(address=Address("o:1"), refused=refused))
        assert reasons(lone) == [("o:1", reason)]
    lone.give(Introduced(address=Address("p:1")))
    lone.give(OriginalFailed(address=Address("p:1"), refused=False))
    assert lone.dropped() == ["p:1"]


def test_an_original_that_only_others_reach_stays_a_member() -> None:
    """Its polls fail here again and again, which says nothing about it any more."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    lone.poll("o:1")
    boot = Boot(0, repr(WALL - 3600))
    lone.give(OriginalFailed(address=Address("o:1"), refused=False))
    assert lone.members() == ["a:1"]
    lone.live(3, "a:1")
    lone.tell("a:1", Relayed(state=state_of("o:1", boot=boot), age=1.0, original=True))
    assert lone.members() == ["a:1", "o:1"]
    lone.give(OriginalFailed(address=Address("o:1"), refused=False))
    assert lone.members() == ["a:1", "o:1"]


def test_of_an_original_the_latest_poll_is_believed_whoever_made_it() -> None:
    """Its states carry no number that all who poll it agree on."""
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1")
    boot = Boot(0, "7")
    news = {"boot": boot, "start_time": 7.0}
    lone.tell("a:1", Relayed(state=state_of("o:1", serial=9, **news), age=3.0, original=True))
    lone.tell("a:1", Relayed(state=state_of("o:1", serial=1, leader=ME, **news), age=1.0, original=True))
    lone.tell("a:1", Relayed(state=state_of("o:1", serial=20, **news), age=5.0, original=True))
    [state] = [state for state in lone.machine._roster.states() if state.address == "o:1"]
    assert state.leader == ME


def test_a_member_that_goes_back_to_the_old_protocol_is_another_process() -> None:
    lone = Lone()
    lone.seeds("a:1")
    lone.join("a:1", boot=FIRST)
    lone.poll("a:1")
    assert reasons(lone) == [("a:1", Reason.RESTARTED)]
    lone.link("a:1", Boot(1, "x"))
    lone.tell("a:1")
    [member] = [member for member in lone.machine.view.members if member.address == "a:1"]
    assert member.kind is MemberKind.LES


# -- what a view says of the leader that is gone -----------------------------------------------------------------------


def test_the_reason_is_that_of_the_leader_and_not_of_another_who_goes_too() -> None:
    lone = Lone()
    lone.seeds("a:1", "b:1")
    lone.join("a:1", start_time=WALL - 50)
    lone.join("b:1", role="leader", leader="b:1", led_term=3, start_time=WALL - 99)
    assert lone.machine.view.leader == "b:1"
    lone.live(2)
    assert reasons(lone) == [("a:1", Reason.TIMEOUT), ("b:1", Reason.TIMEOUT)]
    assert lone.machine.view.leading
    assert lone.machine.view.reason is Reason.LEADER_LOST


def test_what_comes_over_the_link_of_a_process_whose_successor_is_known_is_late() -> None:
    """Others have heard the next process at the address already; this node's own link has not broken yet."""
    lone = Lone()
    lone.join("a:1")
    lone.join("b:1")
    lone.live(1.2, "a:1")
    later = Boot(2, "y")
    lone.tell("a:1", Relayed(state=state_of("b:1", boot=later), age=0.0))
    lone.tell("b:1")
    lone.beat("b:1")
    [known] = [member.boot for member in lone.machine.view.members if member.address == "b:1"]
    assert known == later
