"""What is in force, where it comes from, and what a reload may change."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import pytest
import tomli

from les_hooks.config import LIVE, Written, changes, key_help, restart_keys, show
from les_hooks.errors import ConfigError
from tests.config.conftest import Load
from tests.config.test_load import SAMPLE


def test_every_value_is_shown_with_its_origin(load: Load) -> None:
    config = load(SAMPLE, flags={"timing.loop_rate": ("7s", "--loop-rate")})
    shown = {setting.key: (setting.value, setting.origin) for setting in show(config)}
    assert shown["node.bind"] == ('"0.0.0.0:4000"', "les.toml:3:1")
    assert shown["timing.failure"] == ('"1s"', "les.toml:14:1")
    assert shown["timing.loop_rate"] == ('"7s"', "--loop-rate")
    assert shown["plugins.vip.addresses"] == ('["10.0.0.100/24"]', "les.toml:29:1")
    assert shown["plugins.scripts.order"] == ("0", "default")
    unset = {"http.listen", "http.token_file", "hooks.user", "control.group", "security.secret_file"}
    unset |= {f"security.tls.{key}" for key in ("ca_file", "cert_file", "key_file")}
    assert {help_.key for help_ in key_help() if "<name>" not in help_.key} == (
        {key for key in shown if not key.startswith("plugins.")} | unset
    )


def test_what_is_shown_reads_back_as_the_same_configuration(load: Load) -> None:
    config = load(SAMPLE)
    again = load("".join(f"{setting.key} = {setting.value}\n" for setting in show(config)))
    assert changes(config, again) == ()


def test_any_value_of_a_plugin_that_is_not_loaded_is_shown_as_toml(load: Load) -> None:
    values = (
        'a = "\\u0007\\"\\n"\nb = nan\nc = [1979-05-27T07:32:00, 07:32:00, {}]\nd = { "x y" = 0xffffffffffffffffff }\n'
    )
    shown = [setting for setting in show(load(f"[plugins.gone]\n{values}")) if setting.key.startswith("plugins.gone.")]
    own = "".join(f"{setting.key.removeprefix('plugins.gone.')} = {setting.value}\n" for setting in shown[4:])
    assert str(tomli.loads(own)) == str(tomli.loads(values))


def test_changes_name_what_differs_and_restart_keys_what_a_reload_cannot_do(load: Load) -> None:
    old = load(SAMPLE)
    new = load(
        SAMPLE.replace('"10s"\n\n[plugins.vip]', '"11s"\n\n[plugins.web]')
        .replace('heartbeat = "250ms"', 'heartbeat = "300ms"')
        .replace('level = "debug"', 'level = "info"')
        .replace('"[2001:db8::3]:4000", ', "")
    )
    gone = [f"plugins.{name}.{key}" for name in ("vip", "web") for key in ("addresses", "critical", "enabled", "order")]
    assert set(changes(old, new)) == {
        "cluster.seeds",
        "hooks.timeout",
        "log.level",
        "plugins.scripts.timeout",
        "plugins.vip.timeout",
        "plugins.web.timeout",
        "timing.heartbeat",
        *gone,
    }
    assert restart_keys(old, new) == ("timing.heartbeat",)


def test_nothing_differs_from_itself_even_nan(load: Load) -> None:
    text = "[plugins.gone]\nx = nan\n"
    assert changes(load(text), load(text)) == ()


def _no_blank(text: str) -> str:
    if " " in text:
        raise ValueError("has a blank")
    return text


class SecretConfig(msgspec.Struct, frozen=True, kw_only=True):
    url: Annotated[str, Written(what="a URL", example="x", pattern=".", parse=_no_blank, secret=True)]


def test_a_secret_is_shown_nowhere_and_a_change_of_it_is_seen(load: Load) -> None:
    def types(_: Sequence[str]) -> dict[str, type[msgspec.Struct] | None]:
        return {"chat": SecretConfig}

    old, new = (load(f'[plugins.chat]\nurl = "{url}"\n', plugin_types=types) for url in ("s3cr3t", "an0ther"))
    assert {each.key: each.value for each in show(old)}["plugins.chat.url"] == '"(hidden)"'
    assert changes(old, new) == ("plugins.chat.url",)
    with pytest.raises(ConfigError, match=r"plugins\.chat\.url: what it holds has a blank$"):
        load('[plugins.chat]\nurl = "s3cr3t x"\n', plugin_types=types)


def test_live_keys_are_these_and_no_others() -> None:
    live = {help_.key for help_ in key_help() if help_.live}
    assert LIVE == ("cluster.seeds", "hooks.dir", "hooks.timeout", "log.level", "plugins.*")
    assert live == {
        "cluster.seeds",
        "hooks.dir",
        "hooks.timeout",
        "log.level",
        "plugins.<name>.enabled",
        "plugins.<name>.critical",
        "plugins.<name>.timeout",
        "plugins.<name>.order",
    }
