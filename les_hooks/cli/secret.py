"""`les secret`: the file of the secret that the nodes of a cluster share."""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from les_hooks.cli.flags import read_config
from les_hooks.cli.group import FAILED
from les_hooks.cli.output import emit_json, note, say
from les_hooks.cli.target import Target, config_option, json_option
from les_hooks.security import Secret, Secrets, new_secret, read_secrets, write_secrets

__all__ = ["secret"]

_FILE = click.Path(path_type=Path, dir_okay=False)


class _Step(StrEnum):
    """The three steps in which a secret is replaced."""

    ADD = "add"
    SWAP = "swap"
    DROP = "drop"


_STEPS: Final[Mapping[_Step, str]] = MappingProxyType(
    {
        _Step.ADD: "a new secret is accepted as well; links are made with the old one",
        _Step.SWAP: "links are made with the new secret; the old one is still accepted",
        _Step.DROP: "the old secret is accepted no more; links that it made are made anew",
    }
)


@click.group
def secret() -> None:
    """Make and replace the secret that all nodes of a cluster share."""


@secret.command
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@json_option
def new(file: Path, force: bool, as_json: bool) -> None:
    """Write a new secret into FILE, which only its owner can read.

    Copy it to every node of the cluster, and name it there as secret_file under [security].
    """
    file = file.absolute()
    if file.exists() and not force:
        note(f"les: {file} is there already, and nodes that have it would refuse those with a new one: replace it in")
        note(f"les: three steps that no node feels (`les secret rotate {file}`), or at once with --force")
        click.get_current_context().exit(FAILED)
    made = Secrets(accepted=(new_secret(),))
    write_secrets(file, made)
    if as_json:
        emit_json({"path": str(file), "fingerprints": list(made.fingerprints)})
        return
    say(f"wrote {file}: a secret with the fingerprint {made.fingerprints[0]}")
    say()
    say("next, on every node of the cluster:")
    say(f"  copy the file there, with its mode: scp -p {file} NODE:{file}")
    say(f'  add to les.toml, under [security]: secret_file = "{file}"')
    say("  restart it; `les status` then shows the fingerprint")


@secret.command
@click.argument("file", type=_FILE, required=False)
@click.option("--add", "step", flag_value=_Step.ADD, type=_Step, help="Step 1: accept a new secret as well.")
@click.option("--swap", "step", flag_value=_Step.SWAP, type=_Step, help="Step 2: make links with the other secret.")
@click.option("--drop", "step", flag_value=_Step.DROP, type=_Step, help="Step 3: accept only the first secret.")
@config_option
@json_option
@click.pass_obj
def rotate(target: Target, file: Path | None, step: _Step | None, as_json: bool) -> None:
    """Explain the three steps that replace the secret while the cluster runs, or take one of them in FILE.

    Without FILE it is the secret_file of the configuration. After each step the file goes to all nodes, which notice
    it by themselves; the next step begins when `les status` shows its fingerprints on each of them.
    """
    path = (file or _configured(target)).absolute()
    held = read_secrets(path)
    if step is not None:
        held = _take(step, held, path)
        write_secrets(path, held)
    if as_json:
        emit_json({"path": str(path), "step": step, "fingerprints": list(held.fingerprints)})
        return
    if step is not None:
        say(f"{path}: {_STEPS[step]}")
    say(f"{path} has {_words(held)}")
    say()
    _explain(path)


def _configured(target: Target) -> Path:
    config = read_config(target, {})
    if config.security.secret_file is None:
        raise click.UsageError("there is no secret_file in the configuration: name the file, or use `les secret new`")
    return config.security.secret_file


def _take(step: _Step, held: Secrets, path: Path) -> Secrets:
    two = len(held.accepted) > 1
    if two == (step is _Step.ADD):
        raise click.UsageError(
            f"{path} has {_words(held)}: "
            + ("--swap or --drop comes next" if two else "there is nothing to swap or to drop, --add comes first")
        )
    first, *rest = held.accepted
    following: tuple[Secret, ...] = {
        _Step.ADD: (first, new_secret()),
        _Step.SWAP: (*rest, first),
        _Step.DROP: (first,),
    }[step]
    return Secrets(accepted=following)


def _words(held: Secrets) -> str:
    first, *rest = held.fingerprints
    return f"two secrets: it dials with {first} and accepts {rest[0]} too" if rest else f"one secret: {first}"


def _explain(path: Path) -> None:
    say("To replace the secret while the cluster runs, on one node:")
    for number, (step, what) in enumerate(_STEPS.items(), 1):
        say(f"  {number}. les secret rotate --{step} {path}")
        say(f"     {what}")
    say("After each step copy the file to all other nodes (scp -p), and go on once `les status` shows the same")
    say("fingerprints in the same order on each of them. Nodes read the file again by themselves, and nothing else")
    say("changes: the leader stays. Where systemd hands the file over (LoadCredential=), a node reads it only when it")
    say("is restarted: restart the followers one after the other, the leader last.")
    if os.environ.get("CREDENTIALS_DIRECTORY"):
        note("les: this is a unit with credentials of its own: name the file that LoadCredential= names")
