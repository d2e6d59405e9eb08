"""The demo's temporary folder: one `les.toml` a node, and one `hooks.d` for all. Imported by `fleet`.

The scripts are what a user could write: they find out what to do from `LES_*`, and are plain sh. The folder `shared`
stands for the world outside: which node has the address, and how far the one job has come.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from les_hooks.config.toml_text import toml_string

__all__ = ["TAKE_OVER", "furnish", "write_config"]

TAKE_OVER: Final = "take-over"
"""The script whose first line ends a take-over."""

_HOOKS: Final[Mapping[str, str]] = {
    f"elected.d/{TAKE_OVER}": """\
#!/bin/sh
# A real one would add an address to this node, mount a volume, start a service.
echo "the address is mine now (term $LES_TERM)"
: > "${0%/*}/../../shared/address-on-$LES_NAME"
""",
    "demoted.d/hand-over": """\
#!/bin/sh
# Also told at every start, and in the name of a daemon that died: then there may be nothing to do, or all of it.
address="${0%/*}/../../shared/address-on-$LES_NAME"
[ -e "$address" ] || exit 0
rm "$address"
echo "gave the address back ($LES_REASON)"
""",
    "while-leader.d/one-job": """\
#!/bin/sh
# The job that must run once: it goes on where the leader before left off, and ends with the leadership.
step="${0%/*}/../../shared/step"
while :; do
    n=$(($(cat "$step" 2>/dev/null || echo 0) + 1))
    echo "$n" > "$step"
    echo "step $n of the job that one node does"
    sleep 1
done
""",
    "member-lost.d/pager": """\
#!/bin/sh
echo "$LES_MEMBER is lost ($LES_REASON)"
""",
    "leader-changed.d/route": """\
#!/bin/sh
[ "$LES_ROLE" = leader ] || echo "requests go to ${LES_LEADER:-nobody} from now on"
""",
}


def furnish(folder: Path) -> None:
    """Write the scripts, and make the folder that they share."""
    (folder / "shared").mkdir()
    for name, text in _HOOKS.items():
        script = folder / "hooks.d" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(text, encoding="utf-8")
        # Whatever the umask: a daemon of root runs nothing that a group could write.
        for path in (script, script.parent, script.parent.parent):
            path.chmod(0o755)


def write_config(folder: Path, name: str, addresses: Mapping[str, str]) -> Path:
    """Write the `les.toml` of one node, which it shares with nobody, and return its path."""
    path = folder / f"{name}.toml"
    seeds = ", ".join(toml_string(address) for address in addresses.values())
    path.write_text(
        f"""\
[node]
name = "{name}"
bind = "{addresses[name]}"
state_dir = "{name}"

[cluster]
name = "demo"
seeds = [{seeds}]

[hooks]
dir = "hooks.d"
timeout = "10s"

[log]
format = "json"
""",
        encoding="utf-8",
    )
    return path
