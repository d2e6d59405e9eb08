"""`les check`: everything that can be known to go wrong before a node is started."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import click

from les_hooks.cli.flags import config_flags, read_config
from les_hooks.cli.group import FAILED, exit_code
from les_hooks.cli.inspection import Finding, address_findings, host_findings, plugin_findings, vote_findings
from les_hooks.cli.output import emit_json, say
from les_hooks.cli.rights import rights_findings, unit_of
from les_hooks.cli.strangers import in_force, security_findings
from les_hooks.cli.target import Target, config_option, json_option
from les_hooks.cli.workbench import workbench
from les_hooks.config import Config, advice
from les_hooks.errors import ConfigError
from les_hooks.plugins import Registry

__all__ = ["check"]

_AREAS: Final = ("configuration", "plugins", "addresses", "files")


@click.command
@config_option
@config_flags
@json_option
@click.pass_obj
def check(target: Target, /, as_json: bool, **given: Any) -> None:
    """Check configuration, plugins, scripts, addresses and folders, and change nothing.

    Exits with 78 for a configuration that cannot be used, and with 1 for anything else that would be skipped or
    refused. Run it as the user of the daemon: permissions are looked at, too.
    """
    registry = Registry()
    try:
        config = read_config(target, given, registry)
    except ConfigError as error:
        problems = [
            Finding(area="configuration", what=p.where, message=f"{p.key}: {p.message}") for p in error.problems
        ]
        if as_json:
            _emit(problems, None)
            click.get_current_context().exit(exit_code(error))
        raise
    found = asyncio.run(_inspect(config, registry))
    if as_json:
        _emit(found, config)
    else:
        _print(found, config)
    if any(finding.problem for finding in found):
        click.get_current_context().exit(FAILED)


async def _inspect(config: Config, registry: Registry) -> Sequence[Finding]:
    async with workbench(config, registry, dry_run=True) as bench:
        found = await plugin_findings(config, bench)
    advised = [
        Finding(area="configuration", what=one.where, message=f"{one.key}: {one.message}", problem=False)
        for one in advice(config)
    ]
    found += rights_findings(config)
    host = [*host_findings(config, unit_of(config)), *security_findings(config)]
    return [*advised, *vote_findings(config), *found, *address_findings(config), *host]


def _emit(found: Sequence[Finding], config: Config | None) -> None:
    source = str(config.source) if config is not None and config.source is not None else None
    ok = not any(finding.problem for finding in found)
    told = None if config is None else in_force(config)
    emit_json({"ok": ok, "source": source, "security": told, "findings": [asdict(finding) for finding in found]})


def _print(found: Sequence[Finding], config: Config) -> None:
    say(f"security: {in_force(config)}")
    for area in _AREAS:
        findings = [finding for finding in found if finding.area == area]
        problems = sum(finding.problem for finding in findings)
        word = f"{problems} problem{'' if problems == 1 else 's'}" if problems else "ok"
        subject = f" ({config.source or 'flags only'})" if area == "configuration" else ""
        say(f"{area}{subject}: {word}", "red" if problems else "green")
        for finding in findings:
            say(f"  {finding.what}: {finding.message}", "" if finding.problem else "dim")
