"""`les.toml`: reading it, checking all of it at once, and telling what is in force.

Anybody above `config` may import what is named here; it imports only values. Plugins use `Duration` and `Interval` in
their own config structs.
"""

from les_hooks.config.advice import advice
from les_hooks.config.load import PluginTypes, load_config, load_plugin_table
from les_hooks.config.model import NO_HOOKS, Config, PluginConfig
from les_hooks.config.schema import KeyHelp, key_help, schema
from les_hooks.config.show import LIVE, Setting, changes, is_live, restart_keys, show
from les_hooks.config.source import DEFAULT_FILES, Flags
from les_hooks.config.tables import (
    PEERS,
    ClusterConfig,
    ControlConfig,
    HooksConfig,
    HttpConfig,
    LimitsConfig,
    LogConfig,
    LogFormat,
    LogLevel,
    NodeConfig,
    Quorum,
    SecurityConfig,
    TimingConfig,
    TlsConfig,
)
from les_hooks.config.written import Advertise, Duration, Interval, Listen, Name, Seed, Size, Written

__all__ = [
    "DEFAULT_FILES",
    "LIVE",
    "NO_HOOKS",
    "PEERS",
    "Advertise",
    "ClusterConfig",
    "Config",
    "ControlConfig",
    "Duration",
    "Flags",
    "HooksConfig",
    "HttpConfig",
    "Interval",
    "KeyHelp",
    "LimitsConfig",
    "Listen",
    "LogConfig",
    "LogFormat",
    "LogLevel",
    "Name",
    "NodeConfig",
    "PluginConfig",
    "PluginTypes",
    "Quorum",
    "SecurityConfig",
    "Seed",
    "Setting",
    "Size",
    "TimingConfig",
    "TlsConfig",
    "Written",
    "advice",
    "changes",
    "is_live",
    "key_help",
    "load_config",
    "load_plugin_table",
    "restart_keys",
    "schema",
    "show",
]
