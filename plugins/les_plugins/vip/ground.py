"""What this host looks like to the plugin: its interfaces, who is heard on them, and what is wrong. For `vip`."""

from collections.abc import Callable, Iterable, Mapping

from structlog.typing import FilteringBoundLogger

from les_plugins.vip.ether import Open
from les_plugins.vip.kernel import Assigned, KernelError, Link
from les_plugins.vip.lookout import Lookout
from les_plugins.vip.settings import VipConfig, VirtualAddress

__all__ = ["Ground"]


class Ground:
    """The links of the addresses of a configuration, with a lookout for each, and what makes this node unfit.

    `strangers` are addresses of ours that somebody has configured for good before this process was there: they are
    left alone, and keep the node from leading. None as long as nobody has looked.
    """

    def __init__(
        self,
        *,
        log: FilteringBoundLogger,
        clock: Callable[[], float],
        open_ether: Open,
        on_claim: Callable[[VirtualAddress, bytes], None],
    ) -> None:
        self.lookouts: dict[VirtualAddress, Lookout] = {}
        self.problems: dict[str, str] = {}
        """What keeps this node from leading, by what it is about."""
        self.strangers: frozenset[Assigned] | None = None
        self._links: Mapping[str, Link] = {}
        self._log = log
        self._clock = clock
        self._open_ether = open_ether
        self._on_claim = on_claim

    @property
    def unfit(self) -> str:
        """Why this node should not lead, empty where nothing is wrong."""
        return "; ".join(self.problems.values())

    def fail(self, what: str, why: str) -> None:
        """Something keeps this node from holding an address."""
        if self.problems.get(what) != why:
            self.problems[what] = why
            self._log.error("vip-problem", problem=why)

    def mend(self, what: str) -> None:
        """That is over."""
        if self.problems.pop(what, None) is not None:
            self._log.info("vip-problem-over", about=what)

    def link(self, name: str) -> Link:
        """The interface of that name. Raises KernelError where there is none, or nothing goes over it."""
        found = self._links.get(name)
        if found is None:
            raise KernelError(f"there is no interface {name}")
        if found.obstacle:
            raise KernelError(found.obstacle)
        return found

    def survey(self, config: VipConfig, links: Mapping[str, Link], ours: Iterable[Assigned]) -> frozenset[str]:
        """Take in what there is; `ours` are addresses of the configuration. Returns the interfaces that came back."""
        gone, self._links = {name for name in self._links if self._links[name].obstacle}, links
        self._find_strangers(ours)
        own = frozenset(link.mac for link in links.values() if link.speaks_arp)
        for address in [address for address in self.lookouts if address not in config.addresses]:
            self.lookouts.pop(address).close()
        for address in config.addresses:
            lookout = self.lookouts.get(address)
            if lookout is None:
                lookout = self.lookouts[address] = Lookout(
                    address, clock=self._clock, open_ether=self._open_ether, on_claim=self._on_claim
                )
            self._place(lookout, config.interface_of(address), own)
        wanted = {config.interface_of(address) for address in config.addresses}
        for what in [what for what in self.problems if what.startswith("link ") and what[5:] not in wanted]:
            self.mend(what)
        return frozenset(name for name in wanted & gone if name in links and not links[name].obstacle)

    def close(self) -> None:
        """Hear nothing more."""
        for lookout in self.lookouts.values():
            lookout.close()
        self.lookouts = {}

    def _place(self, lookout: Lookout, interface: str, own: frozenset[bytes]) -> None:
        try:
            link = self._links.get(interface)
            lookout.move(link, own)
            self.link(interface)
        except KernelError as error:
            self.fail(f"link {interface}", error.why)
        else:
            self.mend(f"link {interface}")

    def _find_strangers(self, ours: Iterable[Assigned]) -> None:
        permanent = frozenset(each for each in ours if each.permanent)
        self.strangers = permanent if self.strangers is None else self.strangers & permanent
        names = {link.index: name for name, link in self._links.items()}
        strange = {each.ip: each for each in self.strangers}
        for each in strange.values():
            name = names.get(each.index, "an interface")
            self.fail(
                f"address {each.ip}",
                f"{each.ip} is configured on {name} for good, and not by this plugin; remove it there, or with: "
                f"ip address del {each.ip}/{each.length} dev {name}",
            )
        for what in [what for what in self.problems if what.startswith("address ") and what[8:] not in strange]:
            self.mend(what)
