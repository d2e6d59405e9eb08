"""Which records the code leaves, each with its further fields, as its text says. For the test of the page.

It follows what is written here: names of actions as they are, by a table or by a variable, and fields as keywords, by a
dictionary's literal, or handed through by a function of the same package. What it cannot follow is an error that says
where: write it so that it can be read, by people too.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from les_hooks.audit import CORE_FIELDS, Action
from les_plugins.webhook.records import Records
from les_plugins.webhook.workers import Happening

__all__ = ["spoken"]

ROOT = Path(__file__).parents[2]
_OURS = ("les_hooks/audit", "les_hooks/daemon", "les_hooks/dispatch", "les_hooks/control", "les_hooks/http")
_METHODS = frozenset({"record", "_record", "audit", "_emit"})
# They pass on what others say.
_MESSENGERS = frozenset({"record", "audit", "_write", "_emit", "plugin"})
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """The text of one."""

    path: Path
    tree: ast.Module

    def functions(self) -> Iterator[Function]:
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def unclear(self, node: ast.expr) -> AssertionError:
        return AssertionError(f"{self.path}:{node.lineno}: cannot be followed: {ast.unparse(node)}")


def spoken() -> Mapping[str, set[str]]:
    """The further fields of each action."""
    found: dict[str, set[str]] = defaultdict(set)
    packages = {ROOT / name: "" for name in _OURS}
    for folder in sorted((ROOT / "plugins" / "les_plugins").iterdir()):
        if folder.name == "webhook":
            found |= webhook_records(folder / "workers.py")
            continue
        packages[folder] = f"plugin.{folder.name}."
    for folder, prefix in packages.items():
        modules = [Module(path, ast.parse(path.read_text())) for path in sorted(folder.glob("*.py"))]
        for module in modules:
            for function in module.functions():
                for call in _records(function) if function.name not in _MESSENGERS else ():
                    for action, fields in _read(modules, module, function, call):
                        found[prefix + action] |= fields - set(CORE_FIELDS)
    return found


def webhook_records(workers: Path) -> dict[str, set[str]]:
    """Those of `webhook`, which go through several hands: its workers' by their text, the others as they are made."""
    found: dict[str, set[str]] = defaultdict(set)

    def note(action: str, _outcome: str, **fields: object) -> None:
        found[action] |= fields.keys()

    log = SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, **__: None)
    records = Records(cast("Any", SimpleNamespace(audit=note, log=log)), clock=lambda: 0.0)
    for node in ast.walk(ast.parse(workers.read_text())):
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.args[0]).startswith("Happening."):
            happening = Happening[ast.unparse(node.args[0]).removeprefix("Happening.")]
            found[happening.value] |= {"endpoint", "count"} | {str(keyword.arg) for keyword in node.keywords}
    records.dropped("e", 1)
    records.unwritten("e", "why")
    records.enabled("e")
    records.replayed("e", 1)
    records.set_aside(workers, "why")
    records.degraded("why")
    records.degraded("")
    return {f"plugin.webhook.{action}": fields - set(CORE_FIELDS) for action, fields in found.items()}


def _records(function: Function) -> Iterator[ast.Call]:
    """The calls in this function, and not in those within it, that leave a record."""
    for node in _own(function):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        # A plugin's `record.add` and the like take no word and no Action first.
        if name in _METHODS and _seems_action(node.args[0]):
            yield node


def _seems_action(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.Attribute):
        return ast.unparse(node).startswith(("Action.", "self._opening"))
    return isinstance(node, ast.Subscript) or (isinstance(node, ast.Name) and node.id == "action")


def _own(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, Function):
            yield from _own(child)


def _read(modules: list[Module], module: Module, function: Function, call: ast.Call) -> Iterator[tuple[str, set[str]]]:
    """The actions of a call, each with its fields."""
    names = [argument.arg for argument in function.args.args]
    first = call.args[0]
    own, passed = _fields(module, modules, function, call)
    if isinstance(first, ast.Name) and first.id in names:
        for caller, inner, through in _calls_of(modules, function.name):
            more, _ = _fields(caller, modules, inner, through)
            for action in _actions(caller, inner, through.args[0]):
                yield action, own | (more if passed else set())
        return
    for action in _actions(module, function, first):
        yield action, own


def _calls_of(modules: list[Module], name: str) -> Iterator[tuple[Module, Function, ast.Call]]:
    for module in modules:
        for function in module.functions():
            for node in _own(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                    yield module, function, node


def _actions(module: Module, function: Function, node: ast.expr) -> set[str]:
    """What an expression may be."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _actions(module, function, node.body) | _actions(module, function, node.orelse)
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Action":
        return {Action[node.attr].value}
    if isinstance(node, ast.Dict):
        return {action for value in node.values for action in _actions(module, function, value)}
    if isinstance(node, ast.Subscript):
        node = node.value
    values = _assigned(module, function, ast.unparse(node))
    if not values:
        raise module.unclear(node)
    return {action for value in values for action in _actions(module, function, value)}


def _fields(module: Module, modules: list[Module], function: Function, call: ast.Call) -> tuple[set[str], bool]:
    """The names of the fields in a call, and whether those are passed through that the function was given."""
    found: set[str] = set()
    passed = False
    given = function.args.kwarg.arg if function.args.kwarg is not None else None
    third = [call.args[2]] if len(call.args) > 2 else []
    for keyword in call.keywords:
        if keyword.arg is not None:
            found.add(keyword.arg)
        elif isinstance(keyword.value, ast.Name) and keyword.value.id == given:
            passed = True
        else:
            third.append(keyword.value)
    for node in third:
        if isinstance(node, ast.Name) and node.id in [argument.arg for argument in function.args.args]:
            passed = True
        else:
            found |= _keys(module, modules, function, node)
    return found, passed


def _keys(module: Module, modules: list[Module], function: Function, node: ast.expr) -> set[str]:
    if isinstance(node, ast.Dict):
        return {str(key.value) for key in node.keys if isinstance(key, ast.Constant)}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        returned = [
            each.value
            for one in modules
            for inner in one.functions()
            if inner.name == node.func.attr
            for each in ast.walk(inner)
            if isinstance(each, ast.Return) and each.value is not None
        ]
    else:
        returned = _assigned(module, function, ast.unparse(node))
    if not returned:
        raise module.unclear(node)
    return {key for each in returned for key in _keys(module, modules, function, each)}


def _assigned(module: Module, function: Function, name: str) -> list[ast.expr]:
    """All that is assigned to a name in the function, or else, as to all that is not local, anywhere in the module."""
    for within in (module.tree,) if "." in name else (function, module.tree):
        found = [
            node.value
            for node in ast.walk(within)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if ast.unparse(target) == name
        ]
        if found:
            return found
    return []
