"""From events to hook calls: lanes, order, isolation, deadlines, supersession, and work that lasts while leading.

`Dispatcher` is what the daemon uses. Imports `plugins`, `processes` and the values; imported by `daemon` and above.
"""

from les_hooks.dispatch.calls import CallResult, Overtaken
from les_hooks.dispatch.context import Authority, PluginContext, Recorder
from les_hooks.dispatch.dispatcher import Dispatcher, PluginSettings
from les_hooks.dispatch.offers import gather_offers

__all__ = [
    "Authority",
    "CallResult",
    "Dispatcher",
    "Overtaken",
    "PluginContext",
    "PluginSettings",
    "Recorder",
    "gather_offers",
]
