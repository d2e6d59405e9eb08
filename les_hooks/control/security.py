"""What keeps strangers out of this node, as `les status` tells it. For `report`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from les_hooks.config import PEERS, Config
from les_hooks.config.addresses import is_loopback
from les_hooks.security import Credentials

__all__ = ["Mode", "security"]


class Mode(StrEnum):
    """What is in force."""

    NO_PORT = "no-port"
    """Nothing is needed: this node listens to no others, as its backend is a plugin's."""
    LOOPBACK = "loopback"
    """Nothing: only this host reaches the port."""
    INSECURE = "insecure"
    """Nothing: whoever reaches the port can take part."""
    SECRET = "secret"  # noqa: S105  (a word)
    """Whoever takes part has proven the cluster's secret."""
    TLS = "tls"
    """Whoever takes part has a certificate that names its address."""
    BOTH = "tls+secret"
    """Both."""


_WORDS: Mapping[Mode, str] = {
    Mode.NO_PORT: "no port for other nodes",
    Mode.LOOPBACK: "open: loopback only",
    Mode.INSECURE: "open: insecure = true",
    Mode.SECRET: "secret",
    Mode.TLS: "TLS",
    Mode.BOTH: "TLS and secret",
}


def security(config: Config, credentials: Credentials) -> Mapping[str, Any]:
    """The mode, `summary` for people, what may be shown of the secrets, and whether `/state` and `/diag` are open.

    `certificate` is that of this node, with whom it names and its end in Unix seconds; None without TLS.
    """
    mode, fingerprints = mode_of(config), () if credentials.secrets is None else credentials.secrets.fingerprints
    tls = credentials.tls
    more = [", then ".join(fingerprints)] if fingerprints else []
    if tls is not None:
        more.append(f"certificate until {datetime.fromtimestamp(tls.expires, UTC):%Y-%m-%d}")
    return {
        "mode": mode,
        "summary": f"{_WORDS[mode]} ({'; '.join(more)})" if more else _WORDS[mode],
        "fingerprints": list(fingerprints),
        "certificate": None if tls is None else {"hosts": list(tls.hosts), "expires": tls.expires},
        "public": config.security.public,
    }


def mode_of(config: Config) -> Mode:
    """What is in force by the configuration."""
    if config.cluster.backend != PEERS:
        return Mode.NO_PORT
    secret, tls = config.security.secret_file is not None, config.security.tls is not None
    if secret or tls:
        return Mode.BOTH if secret and tls else Mode.SECRET if secret else Mode.TLS
    return Mode.LOOPBACK if is_loopback(config.node.listen[0]) else Mode.INSECURE
