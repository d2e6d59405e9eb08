"""From the files of the configuration to what a connection to etcd takes. Private to `etcd`."""

import ssl
from typing import Final

from les_hooks.errors import StartError
from les_hooks.security import load_private
from les_plugins.etcd.settings import EtcdConfig
from les_plugins.lookup import os_words

__all__ = ["check_files", "load_context"]

_CONFIG_EXIT: Final = 78
_MOST_BYTES: Final = 1024 * 1024  # a bundle of all authorities that browsers know has a quarter of it


def check_files(config: EtcdConfig) -> None:
    """Raise StartError for a file that is named and cannot be used, which says which and why."""
    if any(url.startswith("https:") for url in config.endpoints):
        load_context(config)
    if config.password_file is not None:
        load_private(
            config.password_file, f"password_file {config.password_file}", "let the daemon's user alone read it"
        )


def load_context(config: EtcdConfig) -> ssl.SSLContext:
    """Read the files; the system's authorities are trusted where `ca_file` is not set.

    The host in the endpoint's URL must stand in etcd's certificate. Raises StartError, which says which file is wrong.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.ca_file is None:
        context.load_default_certs()
    else:
        what, advice = f"ca_file {config.ca_file}", "name the authority's certificates, in PEM"
        try:
            with config.ca_file.open("rb") as file:
                context.load_verify_locations(cadata=file.read(_MOST_BYTES).decode("ascii"))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise StartError(what, f"cannot be used ({_words(error)})", advice, _CONFIG_EXIT) from error
    if config.cert_file is not None and config.key_file is not None:
        what, advice = f"cert_file {config.cert_file}", "name a certificate and its key, both in PEM and whole"
        load_private(config.key_file, f"key_file {config.key_file}", "let the daemon's user read it")
        try:
            context.load_cert_chain(config.cert_file, config.key_file, _no_password)
        except (OSError, ValueError) as error:
            why = f"cannot be used with key_file {config.key_file} ({_words(error)})"
            raise StartError(what, why, advice, _CONFIG_EXIT) from error
    return context


def _no_password() -> str:
    # Without this, OpenSSL would ask for it on the daemon's terminal.
    raise ValueError("the key is encrypted, and nobody types its password")


def _words(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "a part is missing").lower().replace("_", " ")
    if isinstance(error, UnicodeDecodeError):
        return "it is no PEM"
    return os_words(error) if isinstance(error, OSError) else str(error)
