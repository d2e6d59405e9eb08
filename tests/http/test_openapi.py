"""The API's own description: it is valid, names every page, and is kept to, whatever is asked."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from les_hooks.control.security import security
from les_hooks.election.reporting import QuorumReport, VoterReport
from les_hooks.http import gate
from les_hooks.http.openapi import DESCRIPTION
from les_hooks.http.operations import OPERATIONS
from les_hooks.http.shapes import Event, Leadership, Security, Status, Votes
from les_hooks.members import Address
from les_hooks.security import Credentials
from les_hooks.serving import Bucket
from tests.http.lone import TOKEN, Lone, Pages, config_of, lone, token_file
from tests.security.files import TestAuthority

BEARER = {"Authorization": f"Bearer {TOKEN}"}
CONFIG = Path(__file__).parent / "schemathesis.toml"
EXAMPLES = 25
# Ten seconds on an idle machine with two cores.
LIMIT_SECONDS = 150


async def description(at: Lone) -> Any:
    status, text = await at.get(DESCRIPTION, headers=BEARER)
    assert status == 200
    return json.loads(text)


def operations(found: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Those of a description, by path and method."""
    return {(path, method.upper()): one for path, methods in found["paths"].items() for method, one in methods.items()}


@pytest.mark.parametrize("locked", [False, True], ids=["open", "with a token"])
async def test_it_is_valid_and_there_for_whom_the_rest_is(tmp_path: Path, locked: bool) -> None:
    options = {"token_file": str(token_file(tmp_path))} if locked else {}
    async with lone(tmp_path, bundled=True, **options) as at:
        found = await description(at)
        OpenAPIV31SpecValidator(found).validate()
        assert (await at.head(DESCRIPTION))[0] == (401 if locked else 200)
        assert found["paths"].keys() >= {"/", "/metrics", "/api/v1/status"}


async def test_every_page_is_described_and_every_description_is_a_page(tmp_path: Path) -> None:
    async with lone(tmp_path, Pages("/term"), token_file=str(token_file(tmp_path))) as at:
        told = operations(await description(at))
        assert set(told) == {*OPERATIONS, ("/term", "GET")}
        for path, method in told:
            assert (await at.head(path, method=method, headers=BEARER))[0] not in (404, 405)
        for path in {path for path, _ in told}:
            _, headers = await at.head(path, method="DELETE", headers=BEARER)
            allowed = {method for at_path, method in told if at_path == path}
            assert set(headers["Allow"].split(", ")) == (allowed | {"HEAD"} if "GET" in allowed else allowed)


async def test_what_needs_a_token_is_told(tmp_path: Path) -> None:
    async with lone(tmp_path, token_file=str(token_file(tmp_path))) as at:
        found = await description(at)
        assert (
            found["components"]["securitySchemes"]["session"]["name"] == f"les-session-{at.listen.rpartition(':')[2]}"
        )
        for (path, method), one in operations(found).items():
            needed = (await at.head(path, method=method))[0] == 401 and path != gate.LOGIN
            assert one["security"] == ([{"token": []}, {"session": []}] if needed else [])
            assert ("429" in one["responses"]) == (needed or (path, method) == (gate.LOGIN, "POST"))


async def test_nothing_that_is_served_changes_the_cluster_or_the_node(tmp_path: Path) -> None:
    """A browser's session is all that there is to begin and to end."""
    async with lone(tmp_path, bundled=True, token_file=str(token_file(tmp_path))) as at:
        told = operations(await description(at))
        assert {one for one in told if one[1] != "GET"} == {(gate.LOGIN, "POST"), ("/logout", "POST")}


async def test_without_a_token_there_is_neither_a_login_nor_a_need_for_one(tmp_path: Path) -> None:
    async with lone(tmp_path) as at:
        found = await description(at)
        assert not found["components"]["securitySchemes"]
        assert gate.LOGIN not in found["paths"]
        assert not [one for one in operations(found).values() if one["security"] or "401" in one["responses"]]


async def test_the_shapes_are_those_of_a_node_with_nothing_left_out(tmp_path: Path) -> None:
    """What is written here and not in the shape would be lost on the way there and back."""
    async with lone(tmp_path, bundled=True) as at:
        for path, shape in (("status", Status), ("history", list[Leadership])):
            told = json.loads((await at.get(f"/api/v1/{path}"))[1])
            assert msgspec.to_builtins(msgspec.convert(told, shape)) == told


def test_the_shape_of_votes_is_that_of_a_majority() -> None:
    voter = VoterReport(address=Address("10.0.0.1:4000"), name="a", heard=True, agrees=True, granted=False)
    report = QuorumReport(voters=(voter,), majority=1, lease=4.0, vote=None, waiting=0.0)
    told = json.loads(msgspec.json.encode({"mode": "majority", **asdict(report)}))
    assert msgspec.to_builtins(msgspec.convert(told, Votes)) == told


def test_the_shape_of_security_is_that_of_a_node_with_certificates(tmp_path: Path) -> None:
    files = TestAuthority(tmp_path).issue("a", "127.0.0.1")
    told = security(config_of(tmp_path), Credentials(tls_files=files, host="127.0.0.1"))
    told = json.loads(msgspec.json.encode(told))
    assert told["certificate"]["hosts"] == ["127.0.0.1"]
    assert msgspec.to_builtins(msgspec.convert(told, Security)) == told


async def test_events_have_the_schema_that_is_told(tmp_path: Path) -> None:
    async with lone(tmp_path) as at:
        at.node.story.end()  # so that the stream ends after what there is
        schemas = (await description(at))["components"]["schemas"]
        _, text = await at.get("/api/v1/events?after=0")
        told = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith('data: {"id')]
        assert len(told) >= 3
        for each in told:
            assert each.keys() == schemas["Event"]["properties"].keys()
            assert msgspec.convert(each, Event).kind in schemas["EventKind"]["enum"]


@pytest.mark.timeout(LIMIT_SECONDS + 10)
@pytest.mark.parametrize("locked", [False, True], ids=["open", "with a token"])
async def test_schemathesis_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: bool) -> None:
    """Each page, the plugins' too, against a real node: what is answered, to whom, and to what is no such request."""
    monkeypatch.setattr(gate, "Bucket", lambda _size, seconds: Bucket(100_000, seconds))  # or 429 would be all it sees
    options = {"token_file": str(token_file(tmp_path))} if locked else {}
    async with lone(tmp_path, bundled=True, **options) as at:
        at.node.story.end()  # streams end after what there is; it would wait for more
        command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIG}", "run", f"{at.url}{DESCRIPTION}"]
        command += [f"--max-examples={EXAMPLES}", "--checks=all", "--continue-on-failure"]
        command += [f"--header=Authorization: Bearer {TOKEN}"] if locked else []
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                text = (await process.communicate())[0].decode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, text
        asked = len(operations(await description(at))) - 1  # not the page of the description itself, which it has read
        assert f"Tested: {asked}\n" in text, text
        assert not at.said("http-page-failed")
        assert await at.get("/leader") == (200, "leader")
