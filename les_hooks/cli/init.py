"""`les init`: the files that a new node needs."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from les_hooks.cli.group import FAILED
from les_hooks.cli.init_plugins import ETCD, check_etcd, etcd_plugin, listed, vip_plugin
from les_hooks.cli.output import emit_json, note, say
from les_hooks.cli.program import call_words, program
from les_hooks.cli.target import json_option
from les_hooks.config import Quorum, load_config
from les_hooks.config.addresses import is_loopback, listen_address
from les_hooks.members import Part
from les_hooks.security import Secrets, new_secret, read_secrets, write_secrets
from les_hooks.starter import (
    RUNTIME,
    NewFile,
    existing,
    hidden_by,
    hooks_folder,
    needs_of,
    root_files,
    settings_file,
    unit_file,
    write_all,
)

__all__ = ["init"]

_SYSTEM_FOLDER: Final = Path("/etc/les")
"""The folder of the one node of a host, whose state is in the default place: that of the unit."""

_STATE_DIR: Final = "state"

_SECRET: Final = "secret"  # noqa: S105  (the name of a file)
"""The file of the secret, in the folder of the node."""

_INSECURE: Final = (
    "Set by `les init --insecure`: ANYBODY who reaches the address above can take part and become the leader. Let a "
    "firewall or a private network keep others out."
)


@click.command
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--name", metavar="NAME", help="What this node is called.  [default: the host name]")
@click.option("--bind", metavar="HOST:PORT", help="The address to listen on.  [default: 127.0.0.1:4000]")
@click.option("--advertise", metavar="HOST:PORT", help="How the others reach this node.  [default: as --bind]")
@click.option("--seeds", metavar="HOST:PORT,...", help="The nodes of the cluster, separated by commas.")
@click.option(
    "--voters", metavar="HOST:PORT,...", help="The nodes that vote: with these there is never a second leader."
)
@click.option("--etcd", metavar="URL,...", help="The endpoints of an etcd that says who leads, separated by commas.")
@click.option("--witness", is_flag=True, help="This node votes, never leads, and runs no hooks; goes with --voters.")
@click.option("--observer", is_flag=True, help="This node has no vote, never leads, and runs hooks.")
@click.option(
    "--vip", metavar="ADDRESS/LENGTH", multiple=True, help="An address that moves with the leader.  [repeatable]"
)
@click.option("--interface", metavar="NAME", help="The interface of these addresses, such as eth0.")
@click.option("--insecure", is_flag=True, help="No secret: whoever reaches the address of --bind can take part.")
@click.option(
    "--control-group", metavar="GROUP", help="A group whose members may ask, as with `les status`, and change nothing."
)
@click.option("--root-scripts", is_flag=True, help="A relaxed unit, for scripts that manage the host as root.")
@click.option("--force", is_flag=True, help="Replace the files that are there already.")
@json_option
def init(
    folder: Path,
    witness: bool,
    observer: bool,
    vip: tuple[str, ...],
    interface: str | None,
    insecure: bool,
    root_scripts: bool,
    force: bool,
    as_json: bool,
    **given: str | None,
) -> None:
    """Write les.toml, hooks.d and les.service into FOLDER, by default this one.

    Nothing is replaced without --force. The scripts in hooks.d do nothing until they are made executable; a witness has
    none. Where other hosts reach the address of --bind, a secret that all nodes share is written too, unless FOLDER
    has one: copy that of the first node to the others, and run this there afterwards. With --etcd the nodes
    reach etcd and not each other: they have no port and no secret, and --advertise merely names this one.
    """
    folder = folder.absolute()
    check_etcd(given, insecure=insecure, witness=witness)
    role = _role(witness, observer, has_voters=given["voters"] is not None)
    values = _values(given, role, folder, insecure)
    secret = folder / _SECRET if "security.secret_file" in values else None
    has_secret = secret is not None and secret.exists()
    if secret is not None and has_secret:
        read_secrets(secret)
    les, toml = program(), folder / "les.toml"
    plugins = {**etcd_plugin(given["etcd"], folder), **vip_plugin(vip, interface, role, folder)}
    tables = {name: plugin.own for name, plugin in plugins.items()}
    needs = {name: needs_of(plugin.config) for name, plugin in plugins.items()}
    unit = unit_file(
        les,
        toml,
        root_scripts=root_scripts,
        needs=needs,
        credentials=root_files(secret_file=secret),
        group=given["control_group"] or "",
    )
    files = [
        NewFile(path=toml, text=settings_file(values, _remarks(values, root_scripts), tables)),
        NewFile(path=folder / "les.service", text=unit),
        *(() if witness else hooks_folder(folder / "hooks.d")),
    ]
    in_the_way = [] if force else existing(files)
    if in_the_way:
        _refuse(in_the_way, as_json)
    write_all(files)
    made = None if secret is None or has_secret else secret
    if made is not None:
        write_secrets(made, Secrets(accepted=(new_secret(),)))
    if secret is not None and has_secret and not as_json:
        say(f"takes {secret}: the secret that is there, {', then '.join(read_secrets(secret).fingerprints)}")
    _tell(folder, files, made, _warnings(values, les, folder, root_scripts), as_json)


def _role(witness: bool, observer: bool, *, has_voters: bool) -> Part:
    if witness and observer:
        raise click.UsageError("a node is a --witness or an --observer, not both: only the witness votes")
    if witness and not has_voters:
        raise click.UsageError(
            "--witness goes with --voters, without which nobody votes: name the nodes that do, this one among them and "
            "the same on every node; for a node that only watches take --observer"
        )
    return Part.WITNESS if witness else Part.OBSERVER if observer else Part.MEMBER


def _values(given: Mapping[str, str | None], role: Part, folder: Path, insecure: bool) -> dict[str, object]:
    """What the flags say, by the keys of les.toml. Raises ConfigError where that would be no configuration."""
    flags: dict[str, tuple[object, str]] = {}
    for key, flag in (("node.name", "name"), ("node.bind", "bind"), ("node.advertise", "advertise")):
        if given[flag] is not None:
            flags[key] = given[flag], f"--{flag}"
    for name in ("seeds", "voters"):
        if (said := given[name]) is not None:
            flags[f"cluster.{name}"] = listed(said), f"--{name}"
    if given["voters"] is not None:
        flags["cluster.quorum"] = Quorum.MAJORITY.value, "--voters"
    if given["etcd"] is not None:
        flags["cluster.backend"] = ETCD, "--etcd"
    if role is not Part.MEMBER:
        flags["cluster.role"] = role.value, f"--{role}"
    if given["bind"] is not None and _others_reach(given["bind"]):
        if insecure:
            flags["security.insecure"] = True, "--insecure"
        else:
            flags["security.secret_file"] = str(folder / _SECRET), "--bind"
    if given["control_group"] is not None:
        flags["control.group"] = given["control_group"], "--control-group"
        # The state directory lets nobody else in.
        flags["control.socket"] = str(RUNTIME / "control.sock"), "--control-group"
    if folder.resolve() != _SYSTEM_FOLDER:
        flags["node.state_dir"] = str(folder / _STATE_DIR), "FOLDER"
    with tempfile.NamedTemporaryFile(suffix=".toml") as empty:
        load_config(Path(empty.name), flags=flags)
    values = {key: value for key, (value, _) in flags.items()}
    # Relative to the file, so that the folder can be moved.
    relative = {"node.state_dir": _STATE_DIR, "security.secret_file": _SECRET}
    return values | {key: name for key, name in relative.items() if key in values}


def _others_reach(bind: str) -> bool:
    try:
        return not is_loopback(listen_address(bind)[0])
    except ValueError:
        return False


def _remarks(values: Mapping[str, object], root_scripts: bool) -> dict[str, str]:
    own = "Set by `les init`: nodes on one host must not share it, so each has it in its own folder."
    if not root_scripts:
        own += " Take the line out before you install les.service, which keeps it in /var/lib/les."
    return {key: text for key, text in (("node.state_dir", own), ("security.insecure", _INSECURE)) if key in values}


def _warnings(values: Mapping[str, object], les: Path, folder: Path, root_scripts: bool) -> list[str]:
    found = []
    if "security.insecure" in values:
        found.append(f"whoever reaches {values['node.bind']} can become the leader: keep others out with a firewall")
    if "node.state_dir" in values and not root_scripts:
        found.append(
            "les.service may write only to /var/lib/les: before you install the unit, take state_dir out of "
            f"{folder / 'les.toml'}, or write the files to {_SYSTEM_FOLDER}"
        )
    for what, path in (("les is", les), ("this folder is", folder)):
        if (hidden := hidden_by(path)) and not root_scripts:
            found.append(
                f"{what} under {hidden}, which les.service hides from the daemon: before you install the unit, move to "
                "a place such as " + ("/opt/les (a virtual environment there)" if path == les else "/etc/les")
            )
    return found


def _refuse(in_the_way: list[Path], as_json: bool) -> None:
    if as_json:
        emit_json({"ok": False, "exists": [str(path) for path in in_the_way]})
    else:
        note("les: nothing was written, because there are already:")
        for path in in_the_way:
            note(f"  {path}")
        note("les: name another folder, move these away, or replace them with --force")
    click.get_current_context().exit(FAILED)


def _tell(folder: Path, files: list[NewFile], secret: Path | None, warnings: list[str], as_json: bool) -> None:
    steps = [] if secret is None else [f"scp -p {secret} NODE:{secret}   # to each other node, before `les init` there"]
    steps += [
        f"{call_words()} check -c {folder / 'les.toml'}",
        f"{call_words()} run -c {folder / 'les.toml'}",
        f"cp {folder / 'les.service'} /etc/systemd/system/ && systemctl enable --now les",
    ]
    if as_json:
        written = [*(file.path for file in files), *([] if secret is None else [secret])]
        emit_json({"ok": True, "written": [str(path) for path in written], "warnings": warnings, "next": steps})
        return
    for name, what in (
        ("les.toml", "every key, with its default"),
        ("hooks.d", "a folder for each event, and sample scripts"),
        ("les.service", "a systemd unit"),
    ):
        if any(file.path.is_relative_to(folder / name) for file in files):
            say(f"wrote {folder / name}: {what}")
    if secret is not None:
        say(f"wrote {secret}: the secret of the cluster, which only its owner can read")
    for warning in warnings:
        note(f"les: {warning}")
    say()
    say("next:")
    for step in steps:
        say(f"  {step}")
