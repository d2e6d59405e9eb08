"""What is shown of secrets: nothing, whoever repeats them."""

import pytest

from les_plugins.webhook.posting.redaction import HIDDEN, Redactor, shown_url

SHOWN = {
    "https://hooks.slack.com/services/T0001234/B0005678/XXabcdef": "https://hooks.slack.com/...",
    "https://hooks.example:8443/?token=abcdefgh": "https://hooks.example:8443/...",
    "https://me:pass@hooks.example/": "https://hooks.example/",
    "http://[fd00::1]:80": "http://[fd00::1]:80/",
}


@pytest.mark.parametrize("url", SHOWN)
def test_of_a_url_only_scheme_and_host_are_shown(url: str) -> None:
    assert shown_url(url) == SHOWN[url]


SAID = {
    "no such path services/T0001234/XXabcdef": f"no such path {HIDDEN}",
    "XXabcdef is not known": f"{HIDDEN} is not known",
    "services\\/T0001234\\/XXabcdef": f"{HIDDEN}\\/{HIDDEN}\\/{HIDDEN}",
    "a=b c d e f g h": f"{HIDDEN}",
    "Bearer abcdefgh12": HIDDEN,
    "you said abcdefgh12": f"you said {HIDDEN}",
    "it is short: key": "it is short: key",
}


@pytest.mark.parametrize("text", SAID)
def test_secrets_are_taken_out_whole_and_in_parts(text: str) -> None:
    url = "https://hooks.example/services/T0001234/XXabcdef"
    assert Redactor.of(url, ["Bearer abcdefgh12", "a=b%20c%20d e f g h", "key"]).hide(text) == SAID[text]


def test_a_redactor_with_nothing_to_hide_hides_nothing() -> None:
    assert Redactor.of("https://hooks.example/", []).hide("(as it is)") == "(as it is)"


def test_a_line_is_one_line_for_a_terminal() -> None:
    assert Redactor([]).line("a\n\x1b[31mb\u202ec\t d" + "x" * 500, 10) == "a bc dxxxx"
