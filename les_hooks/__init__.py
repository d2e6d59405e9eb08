"""les-hooks: leader election by seniority, and hooks that run when leadership moves.

These are the names for users of the library and authors of plugins. They are loaded on first use, so that importing
one part (the election, the command line) does not pay for the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from les_hooks.config import Config, Duration, Interval
    from les_hooks.control.plugin_call import plugin_call
    from les_hooks.control.serve import serve_control
    from les_hooks.daemon import Node, load_config
    from les_hooks.errors import ConfigError, ControlError, LesHooksError, PluginError, StartError
    from les_hooks.events import Event, EventKind, Reason
    from les_hooks.hookspecs import Context, NodeReport, Note, Route, hookimpl
    from les_hooks.http import serve_http
    from les_hooks.processes import Command, Ending, Finished

__all__ = [
    "Command",
    "Config",
    "ConfigError",
    "Context",
    "ControlError",
    "Duration",
    "Ending",
    "Event",
    "EventKind",
    "Finished",
    "Interval",
    "LesHooksError",
    "Node",
    "NodeReport",
    "Note",
    "PluginError",
    "Reason",
    "Route",
    "StartError",
    "hookimpl",
    "load_config",
    "plugin_call",
    "serve_control",
    "serve_http",
]

_HOMES = {
    "les_hooks.config": ("Config", "Duration", "Interval"),
    "les_hooks.control.plugin_call": ("plugin_call",),
    "les_hooks.control.serve": ("serve_control",),
    "les_hooks.daemon": ("Node", "load_config"),
    "les_hooks.errors": ("ConfigError", "ControlError", "LesHooksError", "PluginError", "StartError"),
    "les_hooks.events": ("Event", "EventKind", "Reason"),
    "les_hooks.hookspecs": ("Context", "NodeReport", "Note", "Route", "hookimpl"),
    "les_hooks.http": ("serve_http",),
    "les_hooks.processes": ("Command", "Ending", "Finished"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name where it lives."""
    if name not in _HOME:
        raise AttributeError(f"module 'les_hooks' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
