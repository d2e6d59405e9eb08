"""Credentials and signatures for EC2, both botocore's. Private to `aws`.

botocore finds credentials where AWS's own programs do, the role of the instance included. That reads files, may run a
program and asks the metadata service, and blocks meanwhile; so it happens in a thread, and is waited for with a limit.
"""

import asyncio
import importlib.util
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from les_plugins.floating_ip.tokens import secret_path
from les_plugins.floating_ip.trouble import Fault, Trouble

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials

__all__ = ["MISSING", "CredentialSource", "Signature", "has_botocore"]

MISSING = "botocore, which signs the requests, is not installed; pip install 'les-hooks[aws]'"

_MOST_WORDS = 200


def has_botocore() -> bool:
    """Whether requests can be signed; without loading it."""
    return importlib.util.find_spec("botocore") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSource:
    """Where to look: in a file in the form of `~/.aws/credentials`, which may be a `credential` of systemd's, or
    everywhere, beginning with the environment.
    """

    file: Path | None
    credential: str | None
    environ: Mapping[str, str]
    profile: str | None
    metadata_url: str

    def load(self) -> "Credentials":
        """Look for them; blocks. Raises Trouble, and whatever botocore does."""
        # Not at the top: it takes 0.2 s and is optional, and only these providers need it.
        from botocore.session import Session

        named = self.file is not None or self.credential is not None
        file = secret_path(self.file, self.credential, self.environ) if named else None
        if file is not None and not file.is_file():
            raise Trouble(Fault.UNPREPARED, f"no credentials: there is no file {file}")
        # A profile by name leaves out the environment, which else goes before any file.
        session = Session(profile=self.profile or ("default" if file else None))
        session.set_config_variable("ec2_metadata_service_endpoint", self.metadata_url)
        if file is not None:
            session.set_config_variable("credentials_file", str(file))
        found = session.get_credentials()
        if found is None:
            raise Trouble(Fault.UNPREPARED, "no credentials: give the instance a role, or set credentials_file")
        return found


class Signature:
    """Signs requests. Credentials are looked for when they are first needed, and again when they are not accepted."""

    def __init__(self, source: CredentialSource, region: str, timeout: float) -> None:
        self._source = source
        self._region = region
        self._timeout = timeout
        self._credentials: Credentials | None = None
        self._used: ReadOnlyCredentials | None = None
        self._uses = 0
        self._looking: asyncio.Future[ReadOnlyCredentials] | None = None

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """Those that sign this request. Raises Trouble where there are no credentials."""
        if not has_botocore():
            raise Trouble(Fault.UNPREPARED, MISSING)
        self._used = await self._find()
        self._uses += 1
        return _signed(self._used, self._region, method, url, body)

    def renew(self) -> bool:
        """Take note that the signature was not accepted; returns whether there may be other credentials by now."""
        again = self._uses > 1
        self._credentials, self._uses = None, 0
        return again

    def hide(self, text: str) -> str:
        """The text without what was signed with."""
        if self._used is not None:
            for secret in (self._used.secret_key, self._used.token, self._used.access_key):
                text = text.replace(secret, "(credentials)") if secret else text
        return text

    async def _find(self) -> "ReadOnlyCredentials":
        # Who asks again before there is an answer waits for that one: threads cannot be ended, and must not pile up.
        if self._looking is None or self._looking.done():
            self._looking = _in_thread(self._frozen)
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(self._looking)
        except TimeoutError:
            raise Trouble(Fault.UNPREPARED, f"no credentials within {self._timeout:g} s") from None

    def _frozen(self) -> "ReadOnlyCredentials":
        try:
            if (credentials := self._credentials) is None:
                credentials = self._credentials = self._source.load()
            return credentials.get_frozen_credentials()  # those of a role are renewed by this when they are old
        except Trouble:
            raise
        except Exception as error:  # files, programs and services of all kinds are behind it, and no common class
            raise Trouble(Fault.UNPREPARED, f"no credentials: {str(error)[:_MOST_WORDS]}") from None


def _signed(credentials: "ReadOnlyCredentials", region: str, method: str, url: str, body: bytes) -> Mapping[str, str]:
    from botocore.auth import SigV4Auth  # as above
    from botocore.awsrequest import AWSRequest

    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"} if body else {}
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    SigV4Auth(credentials, "ec2", region).add_auth(request)
    return {name: str(value) for name, value in request.headers.items()}


def _in_thread(work: "Callable[[], ReadOnlyCredentials]") -> "asyncio.Future[ReadOnlyCredentials]":
    """Run it in a thread that does not keep the daemon from ending."""
    done: Future[ReadOnlyCredentials] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=run, name="aws-credentials", daemon=True).start()
    waited = asyncio.wrap_future(done)
    waited.add_done_callback(lambda waited: waited.cancelled() or waited.exception())  # nobody may be waiting any more
    return waited
