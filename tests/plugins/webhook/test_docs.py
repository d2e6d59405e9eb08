"""The page for users says what the code does, and its configurations load."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from les_hooks import EventKind
from les_hooks.config import load_config
from les_hooks.config.show import written
from les_hooks.events import Event
from les_hooks.plugins import Registry
from les_plugins.webhook import WebhookConfig, service, who, workers
from les_plugins.webhook.contract import Delivery
from les_plugins.webhook.formats import cloudevents
from les_plugins.webhook.outbox.writer import MOST_JOBS
from les_plugins.webhook.posting.transport import MOST_REPLY_BYTES
from les_plugins.webhook.settings import Endpoint
from les_plugins.webhook.workers import Happening

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")


def rows(after: str) -> dict[str, list[str]]:
    """The first table after this text: the other cells by the first one."""
    text = re.search(r"^\|.*?\n\n", PAGE.split(after, 1)[1] + "\n\n", re.MULTILINE | re.DOTALL)
    assert text
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text[0].strip().splitlines()[2:]]
    return {first.strip().strip("`"): rest for first, *rest in cells}


def shown(field: msgspec.structs.FieldInfo) -> str:
    """The default, as the page writes it."""
    if field.required or field.name == "headers" or field.default is None:
        return "by event" if field.name == "send_from" else "none"
    if field.name == "events":
        return "all of them"
    default: Any = written(field.type, field.default)
    listed = default if isinstance(default, list) else [default]
    return ", ".join(f'`"{each}"`' if isinstance(each, str) else f"`{str(each).lower()}`" for each in listed)


@pytest.mark.parametrize(("kind", "heading"), [(Endpoint, "## Keys of an endpoint"), (WebhookConfig, "of the plugin:")])
def test_every_key_is_described_with_its_default(kind: type[msgspec.Struct], heading: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(kind) if field.name != "endpoints"}
    described = rows(heading)
    assert {name: cells[0] for name, cells in described.items()} == {n: shown(f) for n, f in fields.items()}


def test_every_record_is_described() -> None:
    code = (ROOT / "plugins" / "les_plugins" / "webhook" / "records.py").read_text()
    said = set(re.findall(r'_(?:note|say)\("([a-z-]+)"', code)) | set(Happening)
    said |= {"dropped", *re.search(r'"(outbox-degraded)" if why else "(outbox-recovered)"', code).groups()}  # type: ignore[union-attr]  # it is there
    assert {name.removeprefix("plugin.webhook.") for name in rows("how many it stands for:")} == said


def test_the_example_is_what_is_posted() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    example = msgspec.json.decode(text)
    event = msgspec.convert(example["data"], Event)
    assert msgspec.json.decode(cloudevents(Delivery(id=event.id, event=event)).body) == example


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"up to {MOST_JOBS} writes wait" in PAGE
    assert service.COMMIT_SECONDS == 0.5
    assert service.LAST_SECONDS == 2.0
    assert who.RIPE_SECONDS == 10.0
    assert workers.MOST_RETRY_AFTER_SECONDS == 3600.0
    assert MOST_REPLY_BYTES == 8192
    assert {kind.value for kind in who._BY_NODE} == set(re.findall(r"`([a-z]+)`", _line("are posted by the node")))
    assert EventKind.WHILE_LEADER not in Endpoint(name="x", url="https://x.example/").events


def _line(words: str) -> str:
    return next(line for line in PAGE.splitlines() if words in line)


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_its_configurations_load_with_the_keys_of_the_plugin(text: str) -> None:
    with TemporaryDirectory() as made:
        file = Path(made) / "les.toml"
        file.write_text(f'[node]\nstate_dir = "state"\n{text}')
        config = load_config(file, environ={"HOME": "/root"}, plugin_types=Registry().config_types)
    found = config.plugins["webhook"].config
    assert isinstance(found, WebhookConfig)
    assert len(found.endpoints) == 2
