"""The tables of `les.toml` that say who gets in: to the cluster, the control socket and the pages. For `tables`."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from les_hooks.config.written import Derived, HttpListen, Name

__all__ = ["ControlConfig", "HttpConfig", "SecurityConfig", "TlsConfig"]

_MOST_HOSTS = 64


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[security.tls]`: certificates for the links between nodes."""

    ca_file: Annotated[
        Path, Meta(description="The certificates of the authority that the nodes' certificates come from; PEM.")
    ]
    cert_file: Annotated[
        Path, Meta(description="The certificate of this node, which names the host of its `advertise`; PEM.")
    ]
    key_file: Annotated[
        Path,
        Meta(
            description="The private key of `cert_file`; PEM. The credential `les-key`, where systemd gives one, takes "
            "its place."
        ),
    ]


class SecurityConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[security]`: who may take part."""

    insecure: Annotated[
        bool,
        Meta(description="Listen on an address that other hosts reach, although anybody who reaches it can take part."),
    ] = False
    secret_file: Annotated[
        Path | None,
        Derived("none"),
        Meta(
            description="The file of the secret that all nodes of the cluster share; `les secret new` writes one. The "
            "credential `les-secret`, where systemd gives one, takes its place."
        ),
    ] = None
    tls: Annotated[TlsConfig | None, Derived("none"), Meta(description="Certificates for the links between nodes.")] = (
        None
    )
    public: Annotated[
        bool,
        Derived("`true` without a secret or TLS, else `false`"),
        Meta(description="Answer `/state` and `/diag` to everybody; `/ping` always is."),
    ]


class ControlConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[control]`: how the operator reaches the daemon."""

    socket: Annotated[
        Path,
        Derived("`control.sock` in `node.state_dir`"),
        Meta(description="The Unix socket of the `les` commands; its whole path has at most 107 bytes."),
    ]
    group: Annotated[
        Name | None,
        Derived("none"),
        Meta(
            description="A group whose members may use the commands that change nothing, such as `les status`.",
        ),
    ] = None


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[http]`: the page, the metrics and the API, on a port of their own."""

    listen: Annotated[
        HttpListen | None,
        Derived("off"),
        Meta(
            description="Where to answer browsers and programs: an address such as `127.0.0.1:4080`, or `unix:` and "
            "the path of a socket. It loads the plugins `dashboard` and `metrics`."
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        Derived("none"),
        Meta(description="The file of the token that who asks must have; needed where other hosts reach `listen`."),
    ] = None
    hosts: Annotated[
        tuple[str, ...],
        Derived("`[]`"),
        Meta(
            max_length=_MOST_HOSTS,
            description="Further names by which browsers may call this listener, such as `les.example.org`; addresses, "
            "and `localhost`, always do.",
        ),
    ] = ()
