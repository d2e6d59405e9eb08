"""`les ca`: an authority and the certificates of nodes, for `[security.tls]`."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from les_hooks.cli.output import emit_json, say
from les_hooks.cli.target import json_option
from les_hooks.errors import StartError
from les_hooks.members import NAME, join_host_port, parse_address
from les_hooks.starter import NewFile, existing, write_all

if TYPE_CHECKING:
    from les_hooks.security.ca import Authority, Issued

__all__ = ["ca"]

_FOLDER: Final = Path("les-ca")
_AUTHORITY: Final = "ca"
# What is in the folder decides who may take part.
_OTHERS: Final = 0o077
_UNSPECIFIED: Final = ("0.0.0.0", "::")  # noqa: S104  (to refuse them)


@click.group
def ca() -> None:
    """Make certificates for `[security.tls]`, for those who have no authority of their own."""


@ca.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=_FOLDER, metavar="[DIR]")
@click.option("--force", is_flag=True, help="Replace the authority that is there; its certificates end with it.")
@json_option
def init(folder: Path, force: bool, as_json: bool) -> None:
    """Make an authority in DIR, by default `les-ca`: `ca.crt` for every node, and `ca.key` for nobody else.

    Keep DIR on a host that is no node, and have a copy of it: who has `ca.key` can take part.
    """
    # Imported here, as it takes longer than all the rest, and `les --help` imports this module.
    from les_hooks.security.ca import Authority

    issued = Authority.new(time.time())
    files = [
        NewFile(path=folder, text=None, private=True),
        *_pair(folder, _AUTHORITY, issued),
    ]
    _refuse_others(folder)
    _write(files, force=force, advice="--force replaces it, and what it has issued is of use no more")
    if as_json:
        emit_json(_answer(folder, _AUTHORITY, issued))
        return
    say(f"wrote {folder / 'ca.crt'}: for every node; until {_date(issued.expires)}")
    say(f"wrote {folder / 'ca.key'}: stays here; who has it can take part in the cluster")
    say()
    say("next, for each node, with the address that it advertises:")
    say(f"  les ca issue NAME ADDRESS{'' if folder == _FOLDER else f' --ca {folder}'}")


@ca.command("issue")
@click.argument("name")
@click.argument("address", nargs=-1)
@click.option(
    "--ca", "folder", type=click.Path(path_type=Path), default=_FOLDER, metavar="DIR", help="The authority's folder."
)
@click.option("--renew", is_flag=True, help="A new certificate for the key that the node has; only it is to be copied.")
@click.option("--force", is_flag=True, help="Replace the certificate and the key that are there.")
@json_option
def issue(name: str, address: tuple[str, ...], folder: Path, renew: bool, force: bool, as_json: bool) -> None:
    """Make the certificate of the node NAME, known to others at ADDRESS: `host:port`, or a host; there may be several.

    Writes NAME.crt and NAME.key beside the authority, and says where to copy them. With --renew the addresses may be
    left out, and NAME.key need not be here any more.
    """
    hosts = list(dict.fromkeys(map(_host, address)))
    if not NAME.fullmatch(name) or name.startswith(".") or name == _AUTHORITY:
        raise click.BadParameter("1 to 64 of the characters A-Z a-z 0-9 . _ -, and not `ca`", param_hint="NAME")
    if renew and force:
        raise click.UsageError("--renew keeps the key, and --force makes a new one")
    if not (hosts or renew):
        raise click.UsageError(f"name the address at which the others reach it: les ca issue {name} 10.0.0.1:4000")
    authority, certificate = _authority(folder), folder / f"{name}.crt"
    now = time.time()
    try:
        if renew:
            issued = authority.renew(_read(certificate, f"there is nothing to renew: les ca issue {name}"), hosts, now)
        else:
            issued = authority.issue(name, hosts, now)
    except ValueError as error:
        advice = "make a new one with --force in place of --renew, or a new authority in another folder: `les ca init`"
        raise StartError(str(certificate), f"cannot be made: {error}", advice) from error
    advice = "--renew makes a new certificate for the key that the node has; --force replaces both"
    _write(_pair(folder, name, issued), force=force or renew, advice=advice)
    if as_json:
        emit_json(_answer(folder, name, issued))
    else:
        _tell(folder, name, issued)


def _host(text: str) -> str:
    """The host of an address, with or without a port."""
    try:
        whole = text if text.count(":") == 1 or "]:" in text else join_host_port(text.strip("[]"), 1)
        host = parse_address(whole)[0].removesuffix(".")
        if host in _UNSPECIFIED:
            raise ValueError("stands for all addresses of a host; name the one that the others reach")
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}", param_hint="ADDRESS") from error
    return host


def _authority(folder: Path) -> "Authority":
    # Imported here for the reason above.
    from les_hooks.security.ca import Authority

    advice = "`les ca init` makes an authority, and --ca says where one is"
    certificate, key = (_read(folder / f"{_AUTHORITY}.{ending}", advice) for ending in ("crt", "key"))
    _refuse_others(folder)
    try:
        return Authority(certificate, key)
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise StartError(str(folder), f"holds no authority of `les ca init`: {error}", advice) from error


def _refuse_others(folder: Path) -> None:
    if not folder.exists():
        return
    status = folder.stat()
    if status.st_uid != os.geteuid():
        why = f"belongs to uid {status.st_uid}, who could put an authority of its own there"
        raise StartError(str(folder), why, "run this as its owner, or name another one")
    if status.st_mode & _OTHERS:
        why = f"is open to others (mode {status.st_mode & 0o7777:04o})"
        raise StartError(str(folder), why, f"`chmod 700 {folder}`, or name another one: who has the key can take part")


def _read(path: Path, advice: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StartError(str(path), "is not there", advice) from error


def _pair(folder: Path, name: str, issued: "Issued") -> list[NewFile]:
    certificate = NewFile(path=folder / f"{name}.crt", text=issued.certificate.decode())
    if issued.key is None:
        return [certificate]
    # The key first: a certificate whose key could not be written is of no use to anybody.
    return [NewFile(path=folder / f"{name}.key", text=issued.key.decode(), private=True), certificate]


def _write(files: Sequence[NewFile], *, force: bool, advice: str) -> None:
    if not force and (there := existing(files)):
        raise StartError(str(there[0]), "is there already", advice)
    write_all(files)


def _answer(folder: Path, name: str, issued: "Issued") -> dict[str, object]:
    return {
        "ca": str(folder / f"{_AUTHORITY}.crt"),
        "certificate": str(folder / f"{name}.crt"),
        "key": None if issued.key is None else str(folder / f"{name}.key"),
        "hosts": list(issued.hosts),
        "expires": issued.expires,
    }


def _tell(folder: Path, name: str, issued: "Issued") -> None:
    say(f"wrote {folder / name}.crt: names {', '.join(issued.hosts)}; until {_date(issued.expires)}")
    copied = [folder / f"{name}.crt"]
    if issued.key is not None:
        say(f"wrote {folder / name}.key: for this node alone; delete it here once it is there")
        copied = [folder / f"{_AUTHORITY}.crt", *copied, folder / f"{name}.key"]
    host = issued.hosts[0]
    say()
    say("next, into the folder of the node's les.toml:")
    say(f"  scp {' '.join(map(str, copied))} {f'[{host}]' if ':' in host else host}:/etc/les/")
    say()
    if issued.key is None:
        say("The node takes it within four heartbeats, and need not be started again.")
        return
    say("and in that les.toml:")
    say("[security.tls]")
    for key, file in (("ca_file", "ca.crt"), ("cert_file", f"{name}.crt"), ("key_file", f"{name}.key")):
        say(f'{key} = "{file}"')


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
