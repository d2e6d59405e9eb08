"""Let atheris (libFuzzer for Python) look for bytes that break an oracle.

    pip install atheris                                      # Python 3.11 to 3.13, Linux; no dependency of ours
    python -m tests.fuzz.by_hand frame -max_total_time=600   # one target; what follows is libFuzzer's
    python -m tests.fuzz.by_hand --list

A run begins with `tests/fuzz/seeds.py` and what was kept in `tests/fuzz/corpus`, and leaves what it finds in
`.fuzz/<target>`, where the next one goes on. What breaks the oracle is left as `.fuzz/<target>.crash-*`: mend the code,
and give the bytes to a test of their own. To keep the rest, have libFuzzer choose the smallest that covers as much:

    python -m tests.fuzz.by_hand frame -merge=1 CHOSEN .fuzz/frame && python -m tests.fuzz.by_hand --keep frame CHOSEN

msgspec is compiled, so the engine sees of JSON only what our own code makes of it; half of the changes are therefore
made to the values of valid JSON and not to its bytes.
"""

import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["les_hooks", "les_plugins", "tomli", "email", "ipaddress"]):
    from tests.fuzz.corpus import corpus_of, keep
    from tests.fuzz.mutation import mutated
    from tests.fuzz.oracles import ORACLES

_KEPT = Path(".fuzz")
# Made of choices, not of JSON.
_BLIND = frozenset({"machine", "handshake", "secret", "claim", "receiver", "guard", "words", "settings"})
_LONGEST = {"frame": 16_384, "machine": 1500, "handshake": 600, "trail": 16_384, "original": 16_384}


def _mutate(data: bytes, most: int, seed: int) -> bytes:
    chance = random.Random(seed)
    if chance.random() < 0.5:
        lines = data.split(b"\n")
        place = chance.randrange(len(lines))
        lines[place] = mutated(lines[place], chance)
        changed = b"\n".join(lines)
        if changed != data and len(changed) <= most:
            return changed
    return bytes(atheris.Mutate(data, most))


def main() -> None:
    """Run one target."""
    match sys.argv[1:]:
        case ["--list"]:
            sys.stdout.write("\n".join(ORACLES) + "\n")
            return
        case ["--keep", target, folder] if target in ORACLES:
            sys.stdout.write(f"{keep(target, Path(folder))} bytes\n")
            return
        case [target, *options] if target in ORACLES:
            _search(target, options)
        case _:
            raise SystemExit(__doc__)


def _search(target: str, options: list[str]) -> None:
    found = _KEPT / target
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as begin:
        for number, data in enumerate(corpus_of(target)):
            (Path(begin) / str(number)).write_bytes(data)
        usual = [f"-max_len={_LONGEST.get(target, 4096)}", f"-artifact_prefix={_KEPT}/{target}.", "-timeout=10"]
        more = {} if target in _BLIND else {"custom_mutator": _mutate}
        # Of a merge the folders are all that counts, and the first of them is what it writes. It starts itself again.
        folders = [] if any(option.startswith("-merge") for option in options) else [str(found), begin]
        command = f"{sys.executable} -m tests.fuzz.by_hand {target}"
        atheris.Setup([command, *usual, *options, *folders], ORACLES[target], **more)
        atheris.Fuzz()


main()
