"""`[http]`: where the listener may be, and what is said of keys that come to nothing."""

import pytest

from les_hooks.config import advice
from tests.config.conftest import Load, Problems


@pytest.mark.parametrize("listen", ["0.0.0.0:4080", "10.0.0.1:4080", "[::]:4080"])
def test_a_page_that_others_reach_wants_a_token(problems: Problems, load: Load, listen: str) -> None:
    text = f'[http]\nlisten = "{listen}"\n'
    (problem,) = problems(text)
    assert problem.startswith(f'les.toml:2:1: http.listen: "{listen}" can be reached from other hosts')
    assert load(f'{text}token_file = "token"').http.listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:4080", "[::1]:4080", "localhost:4080", "unix:/run/les/http.sock"])
def test_on_this_host_it_wants_none(load: Load, listen: str) -> None:
    assert load(f'[http]\nlisten = "{listen}"').http.listen == listen


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("4080", "is not host:port"),
        ("http://127.0.0.1:4080", "has no usable host"),
        ("unix:http.sock", "has no absolute path after unix:"),
    ],
)
def test_what_is_no_place_is_refused(problems: Problems, listen: str, why: str) -> None:
    assert problems(f'[http]\nlisten = "{listen}"') == [f'les.toml:2:1: http.listen: "{listen}" {why}']


@pytest.mark.parametrize("host", ["http://les.example.org/", "les.example.org:4080", "two words", ""])
def test_hosts_are_names_alone(problems: Problems, host: str) -> None:
    (problem,) = problems(f'[http]\nhosts = ["{host}"]')
    assert problem.startswith("les.toml:2:10: http.hosts[0]: ")
    assert "without scheme, port and path" in problem


@pytest.mark.parametrize("listen", ["127.0.0.1:4000", "0.0.0.0:4000", "[::]:4000"])
def test_the_nodes_have_a_port_of_their_own(problems: Problems, listen: str) -> None:
    assert problems(f'[node]\nbind = "127.0.0.1:4000"\n[http]\nlisten = "{listen}"\ntoken_file = "token"') == [
        f'les.toml:4:1: http.listen: "{listen}" is where the nodes talk, "127.0.0.1:4000"; choose another port'
    ]


@pytest.mark.parametrize("listen", ["127.0.0.2:4000", "127.0.0.1:4001"])
def test_another_address_or_port_is_another_place(load: Load, listen: str) -> None:
    assert load(f'[node]\nbind = "127.0.0.1:4000"\n[http]\nlisten = "{listen}"').http.listen == listen


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('[http]\ntoken_file = "token"\nhosts = ["les"]', ["http.token_file", "http.hosts"]),
        ("[plugins.metrics]\n[plugins.dashboard]", ["plugins.dashboard", "plugins.metrics"]),
        ("[plugins.metrics]\nenabled = false", []),
        ('[plugins.metrics]\n[http]\nlisten = "127.0.0.1:4080"\ntoken_file = "token"', []),
    ],
)
def test_what_nobody_can_see_without_a_listener_is_said(load: Load, text: str, keys: list[str]) -> None:
    assert [problem.key for problem in advice(load(text))] == keys


def test_a_witness_is_told_that_it_has_no_page(load: Load) -> None:
    voters = '"127.0.0.1:4000", "127.0.0.1:4001", "127.0.0.1:4002"'
    cluster = f'[cluster]\nquorum = "majority"\nrole = "witness"\nvoters = [{voters}]\n'
    config = load(f'[node]\nbind = "127.0.0.1:4000"\n{cluster}[http]\nlisten = "127.0.0.1:4080"')
    (problem,) = advice(config)
    assert (problem.key, problem.where) == ("http.listen", "les.toml:8:1")
    assert "no dashboard and metrics" in problem.message
