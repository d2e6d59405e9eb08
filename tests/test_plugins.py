"""The registry: what happens to plugins that break, and to the others meanwhile. The plugins are real modules."""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, PathDistribution
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from les_hooks.hookspecs import HookSpecs, hookimpl
from les_hooks.plugins import PluginInfo, PluginState, Registry

Make = Callable[..., EntryPoint]

GOOD = """
import les_hooks

@les_hooks.hookimpl
def on_elected(event): pass

@les_hooks.hookimpl
async def on_demoted(event, ctx): pass
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Write a module, and return the entry point of the plugin in it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(name: str, text: str = GOOD, *, attribute: str = "", distribution: str = "") -> EntryPoint:
        module = f"registry_test_{distribution or 'x'}_{name}".replace("-", "_")
        (tmp_path / f"{module}.py").write_text(text)
        importlib.invalidate_caches()
        point = EntryPoint(name, module + (f":{attribute}" if attribute else ""), "les_hooks")
        if not distribution:
            return point
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        return with_distribution(point, PathDistribution(info))

    yield write
    for module in set(sys.modules) - before:
        if module.startswith("registry_test_"):
            del sys.modules[module]


def with_distribution(point: EntryPoint, dist: Distribution) -> EntryPoint:
    """As importlib.metadata does it for the entry points that it finds."""
    vars(point).update(dist=dist)
    return point


def why(registry: Registry, name: str) -> str:
    """Why the plugin failed."""
    info = next(info for info in registry.infos() if info.name == name)
    assert info.state is PluginState.FAILED
    assert info.hooks == ()
    return info.why


def test_only_named_plugins_are_imported(make: Make) -> None:
    registry = Registry([make("good"), make("bad", "raise AssertionError")])
    registry.load(["good"])
    assert registry.loaded == ("good",)
    assert {info.name: info.state for info in registry.infos()} == {
        "good": PluginState.LOADED,
        "bad": PluginState.AVAILABLE,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise ValueError('no')", "cannot be imported: ValueError: no"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (", "cannot be imported: SyntaxError: "),
        (
            "import les_hooks\n@les_hooks.hookimpl\ndef on_electd(event): pass",
            "unknown hook 'on_electd' in plugin ",
        ),
        (
            "import les_hooks\n@les_hooks.hookimpl\ndef on_elected(event, context): pass",
            "Plugin 'bad' for hook 'on_elected' hookimpl definition: on_elected(event, context) "
            "Argument(s) {'context'} are declared in the hookimpl but can not be found in the hookspec",
        ),
        (
            "import les_hooks\n@les_hooks.hookimpl\ndef while_leader(event): pass",
            "while_leader must be `async def`",
        ),
        (
            "import les_hooks\n@les_hooks.hookimpl\ndef prepare(): pass",
            "prepare must be `async def`",
        ),
        (
            "import les_hooks\n@les_hooks.hookimpl\nasync def commands(cli): pass",
            "commands must be `def`: nobody can await it where it is called",
        ),
        (
            "import les_hooks\n@les_hooks.hookimpl(wrapper=True)\ndef on_elected(event): yield",
            "on_elected is a wrapper, and hooks here are called one by one; remove the mark",
        ),
        (
            "import les_hooks\n@les_hooks.hookimpl\ndef config_type(): raise SystemExit",
            "config_type: SystemExit",
        ),
        (
            "import les_hooks\n@les_hooks.hookimpl\ndef config_type(): return {}",
            "config_type returned dict; return a subclass of msgspec.Struct",
        ),
        (
            "import les_hooks\n@les_hooks.hookimpl\nasync def config_type(): return {}",
            "config_type must be `def`",
        ),
    ],
)
def test_a_plugin_that_breaks_is_reported_and_the_others_are_loaded(make: Make, text: str, reason: str) -> None:
    registry = Registry([make("before"), make("bad", text), make("later")])
    registry.load(["before", "bad", "later"])
    assert registry.loaded == ("before", "later")
    assert why(registry, "bad").startswith(reason)
    assert [found.plugin for found in registry.implementations("on_elected")] == ["before", "later"]


def test_a_class_is_refused_and_an_object_is_taken(make: Make) -> None:
    text = "import les_hooks\nclass P:\n    @les_hooks.hookimpl\n    def on_elected(self, event): pass\np = P()"
    registry = Registry([make("kind", text, attribute="P"), make("thing", text, attribute="p")])
    registry.load(["kind", "thing"])
    assert registry.loaded == ("thing",)
    assert why(registry, "kind") == (
        "its entry point registry_test_x_kind:P is a class; point it at a module or an object"
    )
    (found,) = registry.implementations("on_elected")
    assert found.arguments == ("event",)
    assert found.bind(event=1, ctx=2) == {"event": 1}


def test_a_plugin_whose_attributes_raise_is_reported(make: Make) -> None:
    """Looking at an object runs its code; pluggy 1.6 looks at properties too, and 1.7 does not."""
    text = "class P:\n    def __dir__(self): raise SystemExit(1)\np = P()"
    registry = Registry([make("bad", text, attribute="p"), make("good")])
    registry.load(["bad", "good"])
    assert registry.loaded == ("good",)
    assert why(registry, "bad") == "cannot be registered: SystemExit: 1"


def test_a_plugin_that_is_not_installed_says_how_to_get_it() -> None:
    registry = Registry([])
    registry.load(["vip"])
    assert why(registry, "vip") == "is not installed; try: pip install les-hooks-vip"


def test_a_plugin_that_is_misspelt_says_what_was_likely_meant(make: Make) -> None:
    registry = Registry([make("webhook")])
    registry.load(["webhooks"])
    assert why(registry, "webhooks") == (
        "is not installed; did you mean 'webhook'? If not, try: pip install les-hooks-webhooks"
    )


def test_two_letters_that_changed_places_are_misspelt_too(make: Make) -> None:
    registry = Registry([make("etcd")])
    registry.load(["etdc"])
    assert "did you mean 'etcd'?" in why(registry, "etdc")


def test_a_name_that_two_distributions_offer_is_refused_for_both(make: Make) -> None:
    first = make("vip", distribution="les-hooks-vip")
    second = make("vip", distribution="les-hooks-other")
    registry = Registry([first, second, make("good")])
    registry.load(["vip", "good"])
    assert registry.loaded == ("good",)
    assert why(registry, "vip") == (
        "is offered by les-hooks-other (registry_test_les_hooks_other_vip) and "
        "les-hooks-vip (registry_test_les_hooks_vip_vip); uninstall all but one"
    )
    assert not [module for module in sys.modules if module.startswith("registry_test_les")]


def test_hooks_are_called_in_the_order_in_which_plugins_are_named(make: Make) -> None:
    registry = Registry([make(name) for name in ("a", "b", "c")])
    registry.load(["c", "a", "b"])
    assert [found.plugin for found in registry.implementations("on_elected")] == ["c", "a", "b"]
    registry.load(["b", "c"])
    assert registry.loaded == ("b", "c")
    assert [found.plugin for found in registry.implementations("on_elected")] == ["b", "c"]


def test_a_reload_keeps_what_is_loaded_drops_what_is_not_named_and_tries_anew_what_failed(
    make: Make, tmp_path: Path
) -> None:
    registry = Registry([make("kept"), make("dropped"), make("mended", "raise ValueError")])
    registry.load(["kept", "dropped", "mended"])
    assert list(registry.loaded) == ["kept", "dropped"]
    kept = registry.implementation("kept", "on_elected")
    assert kept is not None
    make("mended")
    registry.load(["kept", "mended"])
    assert list(registry.loaded) == ["kept", "mended"]
    assert registry.implementation("kept", "on_elected") == kept
    assert registry.implementation("dropped", "on_elected") is None
    assert not [info for info in registry.infos() if info.why]


def test_who_failed_and_is_not_named_any_more_is_merely_available(make: Make) -> None:
    registry = Registry([make("bad", "raise ValueError")])
    registry.load(["bad"])
    registry.load([])
    assert [(info.state, info.why) for info in registry.infos()] == [(PluginState.AVAILABLE, "")]


def test_a_loaded_plugin_can_be_given_up(make: Make) -> None:
    registry = Registry([make("a"), make("b")])
    registry.load(["a", "b"])
    registry.fail("a", "commands: it broke")
    registry.fail("stranger", "who?")
    assert list(registry.loaded) == ["b"]
    assert registry.implementation("a", "on_elected") is None
    assert why(registry, "a") == "commands: it broke"
    registry.load(["a", "b"])
    assert list(registry.loaded) == ["a", "b"]


def test_where_plugins_come_from_is_read_once() -> None:
    """It is read from disk, and every look at the page asks for it."""

    class Point:
        name, value = "demo", "demo:plugin"
        asked = 0

        @property
        def dist(self) -> None:
            self.asked += 1

        def load(self) -> object:
            return object()

    point = Point()
    registry = Registry([point])
    registry.infos()
    before = point.asked
    registry.infos()
    assert point.asked == before > 0


def test_infos_tell_distribution_version_state_and_hooks(make: Make) -> None:
    registry = Registry([make("hello", distribution="les-hooks-hello"), make("idle"), make("off")])
    registry.load(["hello", "gone"], disabled={"off": "les.toml turns it off"})
    assert registry.infos() == (
        PluginInfo(
            name="gone",
            distribution="",
            version="",
            state=PluginState.FAILED,
            why="is not installed; try: pip install les-hooks-gone",
            hooks=(),
        ),
        PluginInfo(
            name="hello",
            distribution="les-hooks-hello",
            version="1.0",
            state=PluginState.LOADED,
            why="",
            hooks=("on_demoted", "on_elected"),
        ),
        PluginInfo(name="idle", distribution="", version="", state=PluginState.AVAILABLE, why="", hooks=()),
        PluginInfo(
            name="off", distribution="", version="", state=PluginState.DISABLED, why="les.toml turns it off", hooks=()
        ),
    )


def test_config_types_loads_who_is_named_and_unloads_nobody(make: Make) -> None:
    typed = (
        "import les_hooks, msgspec\nclass Table(msgspec.Struct): x: int = 0\n"
        "@les_hooks.hookimpl\ndef config_type(): return Table"
    )
    registry = Registry([make("there"), make("typed", typed), make("plain"), make("bad", "raise ValueError")])
    registry.load(["there"])
    types = registry.config_types(["typed", "plain", "bad", "gone"])
    assert list(types) == ["typed", "plain"]
    assert types["plain"] is None
    kind = types["typed"]
    assert kind is not None
    assert msgspec.convert({"x": 3}, kind) == kind(3)
    assert registry.loaded == ("there", "typed", "plain")


def test_a_config_type_that_fails_stays_failed_when_the_node_loads_the_same_plugins(make: Make) -> None:
    broken = "import les_hooks\n@les_hooks.hookimpl\ndef config_type(): raise ValueError('no')"
    registry = Registry([make("bad", broken)])
    assert registry.config_types(["bad"]) == {}
    registry.load(["bad"])
    assert why(registry, "bad") == "config_type: ValueError: no"


def test_hooks_for_other_versions_may_be_marked_optional_and_are_not_called(make: Make) -> None:
    text = "import les_hooks\n@les_hooks.hookimpl(optionalhook=True)\ndef on_some_day(event): pass\n"
    registry = Registry([make("modern", text)])
    registry.load(["modern"])
    assert [(info.state, info.hooks) for info in registry.infos()] == [(PluginState.LOADED, ())]


def test_a_plugin_that_failed_its_registration_leaves_no_hook_behind(make: Make) -> None:
    """pluggy 1.6 keeps those hooks registered that came before the one that it refused."""
    text = (
        "import les_hooks\n@les_hooks.hookimpl\ndef on_demoted(event): pass\n"
        "@les_hooks.hookimpl\ndef on_elected(nonsense): pass\n"
    )
    registry = Registry([make("half", text)])
    registry.load(["half"])
    assert registry.loaded == ()
    assert registry.implementations("on_demoted") == registry.implementations("on_elected") == ()


@dataclass
class Offer:
    """What stands for an entry point: a plugin made of an object."""

    name: str
    plugin: object
    value: str = "tests"
    dist: Distribution | None = None

    def load(self) -> object:
        return self.plugin


def test_one_object_may_serve_under_two_names() -> None:
    @hookimpl
    async def on_elected(event: object) -> None: ...

    shared = SimpleNamespace(on_elected=on_elected)
    registry = Registry([Offer("a", shared), Offer("b", shared)])
    registry.load(["a", "b"])
    assert [found.plugin for found in registry.implementations("on_elected")] == ["a", "b"]


def test_every_hook_of_the_specification_can_be_implemented_by_a_function_with_its_signature() -> None:
    hooks = {name: spec for name, spec in vars(HookSpecs).items() if hasattr(spec, "les_hooks_spec")}
    assert len(hooks) == 25
    unbound = {name: hookimpl(spec.__get__(None, HookSpecs)) for name, spec in hooks.items() if name != "config_type"}
    plugin = type("Plugin", (), unbound)()
    registry = Registry([Offer("all", plugin)])
    registry.load(["all"])
    assert registry.infos()[0].hooks == tuple(sorted(unbound))


def test_the_entry_points_of_this_python_are_the_default() -> None:
    assert {info.name: info.distribution for info in Registry().infos()}["scripts"] == "les-hooks"
