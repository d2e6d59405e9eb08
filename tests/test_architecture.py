"""Who may import whom: modules import only from those above them, and the election touches nothing of the world."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "les_hooks"
PLUGINS = ROOT / "plugins" / "les_plugins"

# From the values down to the operator's side; modules of one line may import each other.
LAYERS = (
    ("", "errors", "events", "members", "text", "backoff", "failures"),  # "": the face of the package, for its version
    ("election",),
    ("wire", "wire_original", "config", "hookspecs", "security", "serving"),
    ("backends",),
    ("guard", "processes", "plugins", "dispatch"),
    ("log", "audit"),
    ("daemon",),
    ("control", "http", "cli", "demo", "starter", "testing"),
)
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}

# The pure part: values and arithmetic, and msgspec because frames are its structs.
PURE = {"collections", "dataclasses", "enum", "math", "msgspec", "types", "typing"}
PURE_OURS = {"les_hooks.errors", "les_hooks.events", "les_hooks.members", "les_hooks.election"}


def modules(folder: Path) -> list[Path]:
    """All modules in it, by name."""
    return sorted(folder.rglob("*.py"))


def is_typing_only(node: ast.AST) -> bool:
    """Whether it is an `if TYPE_CHECKING:`, whose imports never run."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(path: Path) -> set[str]:
    """The full names of the modules that are imported when it runs, wherever in it the import stands."""
    found: set[str] = set()
    package = path.relative_to(ROOT).with_suffix("").parts
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            found |= {f"{origin}.{alias.name}" if is_module(origin, alias.name) else origin for alias in node.names}
        if not is_typing_only(node):
            waiting += ast.iter_child_nodes(node)
    return found


def is_module(origin: str, name: str) -> bool:
    """Whether `from origin import name` imports a module of ours and not something in one."""
    for root in (ROOT, PLUGINS.parent):
        place = root.joinpath(*origin.split("."), name)
        if place.is_dir() or place.with_suffix(".py").is_file():
            return True
    return False


def part(name: str) -> str:
    """The part of the engine that a module of it belongs to: `config` for les_hooks.config.load."""
    words = name.split(".")
    return words[1] if len(words) > 1 else ""


ENGINE_MODULES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules(ENGINE)]
ELECTION_MODULES = [pytest.param(path, id=path.name) for path in modules(ENGINE / "election")]
PLUGIN_MODULES = [pytest.param(path, id=str(path.relative_to(PLUGINS))) for path in modules(PLUGINS)]


@pytest.mark.parametrize("path", ENGINE_MODULES)
def test_the_engine_imports_only_upwards(path: Path) -> None:
    """A module outside the list (the face of the package, what plugin authors test with) is imported by none in it."""
    here = part(".".join(path.relative_to(ROOT).with_suffix("").parts))
    ours = {part(name) for name in imports(path) if name.split(".")[0] == "les_hooks"}
    if here and here in LEVEL:
        strangers = {name for name in ours if name not in LEVEL and name != here}
        assert not strangers, f"imports {strangers}, which no layer holds"
        assert not {name for name in ours if LEVEL[name] > LEVEL[here]}


@pytest.mark.parametrize("path", ENGINE_MODULES)
def test_the_engine_knows_no_plugin(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] == "les_plugins"}


@pytest.mark.parametrize("path", ELECTION_MODULES)
def test_the_election_imports_only_values(path: Path) -> None:
    """No clock, randomness, log, await, file or socket can get in where nothing that has one is imported."""
    for name in imports(path):
        ours = any(name == allowed or name.startswith(f"{allowed}.") for allowed in PURE_OURS)
        assert ours or name.split(".")[0] in PURE, f"imports {name}"


@pytest.mark.parametrize("path", ELECTION_MODULES)
def test_the_election_never_waits(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not [node for node in ast.walk(tree) if isinstance(node, waiting)]
    assert not calls & {"open", "print", "input", "exec", "eval", "__import__"}


def test_the_election_loads_neither_loop_nor_socket() -> None:
    """What its imports import in turn counts too."""
    look = "import sys; site = set(sys.modules); import les_hooks.election.machine; print(*sys.modules.keys() - site)"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(done.stdout.split())
    assert "les_hooks.election.machine" in loaded
    assert not loaded & {"asyncio", "socket", "ssl", "selectors", "subprocess", "threading", "logging", "aiohttp"}


@pytest.mark.parametrize("path", PLUGIN_MODULES)
def test_plugins_use_nothing_that_a_stranger_could_not(path: Path) -> None:
    """The engine's public modules and their own folder: no underscore, no election, no daemon, no other backend."""
    closed = {"election", "backends", "guard", "dispatch", "daemon", "control"}
    ours = {name for name in imports(path) if name.split(".")[0] == "les_hooks"} - {"les_hooks.backends"}
    assert not {name for name in ours if part(name) in closed}
    assert not {name for name in ours if any(word.startswith("_") for word in name.split("."))}
