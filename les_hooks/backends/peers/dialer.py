"""Making links: a task for each address that is to be reached, while the machine wants it. For this package only."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import ClientWebSocketResponse
from structlog.typing import FilteringBoundLogger

from les_hooks import wire
from les_hooks.backends.peers.client import new_session
from les_hooks.backends.peers.greeting import Greeter, Greeting
from les_hooks.backends.peers.link import CLOSE_SECONDS, Link, check_peer, close_socket
from les_hooks.backends.peers.links import Links
from les_hooks.backends.peers.originals import is_refusal, poll_original
from les_hooks.backends.peers.settings import LINK_PATH, Settings
from les_hooks.backends.peers.tasks import Tasks
from les_hooks.election.frames import Hello
from les_hooks.election.messages import DialFailed, Message, SeedIsSelf
from les_hooks.errors import PeerError
from les_hooks.members import Address
from les_hooks.security import OVERHEAD_BYTES, handshake_words

__all__ = ["MOST_DIALED", "Dialer"]

MOST_DIALED = 512
"""How many addresses are dialed at most; the machine asks for fewer on its own account."""

# The connections of a process that dies break at the same moment as its port closes, and either may be first. A redial
# that is neither refused nor answered is repeated after these seconds, before the pace of `retry` sets in.
_QUICK_SECONDS = (0.002, 0.01, 0.05, 0.2)

# What our own nodes answer when they take no more links, want a proof, or can take none.
_BUSY = 503
_WANTS_PROOF = 401
_TAKES_NO_PROOF = 403
_REFUSALS = {
    _BUSY: "takes no more links",
    _WANTS_PROOF: "wants proof that this node belongs to its cluster: set [security] here as it is set there",
    _TAKES_NO_PROOF: "takes no secret, and this node has one: set secret_file on that node too",
}
# All that is seen of a handshake that the other end has given up.
_GIVEN_UP = (aiohttp.ServerDisconnectedError, ConnectionResetError)
_GIVES_UP = {True: "that refuses this one's certificate: its log says why", False: "with TLS to one without"}


class _AnsweredBySelfError(Exception):
    """This very process answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Why there is no link.

    `broken`: the connection broke off; `silent`: nobody answered in time; `told`: the machine has been told already.
    `unfit`: somebody is there, and the two nodes do not fit each other until an operator has changed one of them.
    """

    why: str
    refused: bool = False
    broken: bool = False
    silent: bool = False
    told: bool = False
    unfit: bool = False


class Dialer:
    """Keeps every wanted address linked, or polled where an original answers, and tells the machine of each attempt."""

    def __init__(
        self,
        settings: Settings,
        links: Links,
        greeter: Greeter,
        *,
        report: Callable[[Message], None],
        now: Callable[[], float],
        log: FilteringBoundLogger,
        on_broken: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._own = settings.hello
        self._links = links
        self._greeter = greeter
        self._report = report
        self._now = now
        self._log = log
        self._session: aiohttp.ClientSession | None = None
        self._dialing: dict[Address, asyncio.Task[None]] = {}
        self._wakers: dict[Address, asyncio.Event] = {}
        self._unfit: dict[Address, str] = {}
        self._dialers = Tasks(on_broken)
        self._served = Tasks(on_broken)

    @property
    def dialed(self) -> tuple[Address, ...]:
        """The addresses that are wanted, sorted."""
        return tuple(sorted(self._dialing))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Who answers and cannot be linked, and why: a line each, for an operator."""
        return tuple(f"no link to {address}: it {why}" for address, why in sorted(self._unfit.items()))

    def open(self) -> None:
        """Make ready to dial; to be closed again."""
        timing = self._settings.timing
        # With TLS it is the other process that answers, and not its kernel alone.
        self._session = new_session(timing.heartbeat if self._greeter.tls is None else timing.failure / 2)

    async def who_is_here(self) -> Hello | None:
        """Ask at this node's own address, once, before it listens: returns the hello of whoever answers there."""
        address = Address(self._own.address)
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, PeerError):
            async with asyncio.timeout(self._settings.attempt):
                ws = await self._open(address)
                try:
                    return (await self._greeter.dial(ws, address)).hello
                finally:
                    await close_socket(ws, "")
        return None

    def dial(self, address: Address) -> None:
        """Keep a link to this address from now on; one that is dialed already is left as it is."""
        if address in self._dialing:
            return
        if len(self._dialing) >= MOST_DIALED:
            self._log.warning("dial-ignored", peer=address, limit=MOST_DIALED)
            self._report(DialFailed(address=address, refused=False))
            return
        self._wakers[address] = asyncio.Event()
        self._dialing[address] = self._dialers.spawn(self._keep(address, self._wakers[address]))

    def drop(self, address: Address) -> None:
        """Stop dialing this address; a link that stands is not touched."""
        task = self._dialing.pop(address, None)
        if task is not None:
            del self._wakers[address]
            self._unfit.pop(address, None)
            task.cancel()

    def wake(self) -> None:
        """A link has come or gone: let every address look whether it has one."""
        for waker in self._wakers.values():
            waker.set()

    async def stop(self) -> None:
        """Stop dialing; links that stand are not touched."""
        for address in self.dialed:
            self.drop(address)
        await self._dialers.cancel()

    async def close(self) -> None:
        """Give back what is left, once the links are closed."""
        await self.stop()
        await self._served.cancel()
        if self._session is not None:
            await self._session.close()

    async def _keep(self, address: Address, waker: asyncio.Event) -> None:
        """Dial the address whenever it has no link."""
        quick, logged = iter(_QUICK_SECONDS), ""
        while True:
            if self._links.linked(address):
                quick, logged = iter(_QUICK_SECONDS), ""
                self._unfit.pop(address, None)
                waker.clear()
                await waker.wait()
                continue
            failure = await self._try(address)
            if failure is None or self._links.linked(address):
                continue
            if failure.why != logged:
                self._log.info("dial-failed", peer=address, reason=failure.why)
                logged = failure.why
            if failure.unfit:
                self._unfit[address] = failure.why
            else:
                self._unfit.pop(address, None)
            if not failure.told:
                self._report(DialFailed(address=address, refused=failure.refused))
            if not failure.silent:  # which took its time already, and a cut that heals should not wait
                retry = self._settings.retry
                await self._pause(address, waker, next(quick, retry) if failure.broken else retry)

    async def _pause(self, address: Address, waker: asyncio.Event, seconds: float) -> None:
        """Wait before the next attempt, or until the member has dialed us."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._links.linked(address):
                    waker.clear()
                    await waker.wait()

    async def _try(self, address: Address) -> _Failure | None:
        """Make one attempt; returns None when it has led to a link."""
        try:
            async with asyncio.timeout(self._settings.attempt):
                link = await self._connect(address)
        except _AnsweredBySelfError:
            self._report(SeedIsSelf(address=address))
            # A seed may be an address that moves from host to host: the machine has it tried on, like any other.
            return _Failure(why="is this node", told=True)
        except aiohttp.WSServerHandshakeError as error:
            if error.status in _REFUSALS:
                return _Failure(why=_REFUSALS[error.status], unfit=True)
            if self._greeter.protocols:
                return _Failure(
                    why="runs the original LES or something else, which cannot prove the secret", unfit=True
                )
            return await self._poll(address)
        except PeerError as error:
            return _Failure(why=error.why, unfit=True)
        except aiohttp.ClientSSLError as error:
            return _Failure(why=handshake_words(_of_tls(error)), unfit=True)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            refused = is_refusal(error)
            broken = isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError) and not refused
            why = "refused the connection" if refused else self._reason(error)
            silent, unfit = isinstance(error, TimeoutError), isinstance(error, _GIVEN_UP) and not refused
            return _Failure(why=why, refused=refused, broken=broken, silent=silent, unfit=unfit)
        if self._links.admit(link):
            self._served.spawn(self._links.serve(link))
        else:
            self._served.spawn(link.close())
            if link.address != address:
                # The member's link was reported without this name for it, and the machine waits for word of it.
                self._report(DialFailed(address=address, refused=False))
        return None

    async def _open(self, address: Address) -> ClientWebSocketResponse[Any]:
        assert self._session is not None, "open comes first"
        tls = self._greeter.tls
        return await self._session.ws_connect(
            f"{'ws' if tls is None else 'wss'}://{address}{LINK_PATH}",
            ssl=True if tls is None else tls.dialer,
            autoping=False,
            compress=0,
            max_msg_size=wire.FRAME_LIMIT + OVERHEAD_BYTES,
            protocols=self._greeter.protocols,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
        )

    async def _connect(self, address: Address) -> Link:
        ws = await self._open(address)
        try:
            return Link(ws, await self._greet(ws, address), dialed=address, now=self._now)
        except BaseException as error:
            await close_socket(ws, error.why if isinstance(error, PeerError) else "")
            raise

    async def _greet(self, ws: ClientWebSocketResponse[Any], address: Address) -> Greeting:
        greeting = await self._greeter.dial(ws, address)
        if greeting.hello.boot == self._own.boot:
            # Who passes our own words on to us has proven nothing, and must not make us believe that nobody else is
            # there. Where nothing is proven anybody could say the same himself.
            is_proven = greeting.proved is not None or self._greeter.tls is not None
            if is_proven and not self._links.is_own_call(ws):
                raise PeerError(address, "leads back to this node by way of somebody else")
            raise _AnsweredBySelfError
        check_peer(greeting.hello, self._own)
        return greeting

    async def _poll(self, address: Address) -> _Failure:
        self._log.info("original-found", peer=address)
        assert self._session is not None, "open comes first"
        why = await poll_original(
            self._session,
            address,
            self._settings.identity.address,
            context=lambda: None if self._greeter.tls is None else self._greeter.tls.asker,
            loop_rate=self._settings.timing.loop_rate,
            report=self._report,
        )
        return _Failure(why=why, told=True)

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return "did not answer in time"
        if isinstance(error, _GIVEN_UP):
            return f"broke off without an answer, as a node does {_GIVES_UP[self._greeter.tls is not None]}"
        return wire.excerpt(str(error) or repr(error))


def _of_tls(error: aiohttp.ClientSSLError) -> Exception:
    """What went wrong, without the words that the library puts around it."""
    return error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
