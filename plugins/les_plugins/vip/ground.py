"""What this host looks like to the plugin: its interfaces, who is heard on them, and what is wrong. For `vip`."""

from collections.abc import Callable, Collection, Mapping

from structlog.typing import FilteringBoundLogger

from les_plugins.vip.ether import Open
from les_plugins.vip.kernel import Assigned, KernelError, Link
from les_plugins.vip.lookout import Lookout
from les_plugins.vip.settings import Mode, VipConfig, VirtualAddress
from les_plugins.vip.sysctls import no_ipv6

__all__ = ["Ground"]

_LINK = "link "
_STRANGER = "address "


class Ground:
    """The links of the addresses of a configuration, with a lookout for each, and what makes this node unfit.

    A stranger is an address of ours that was on this host before the plugin first looked for it, and that no plugin
    put there: it stays until somebody removes it. It is left alone, and keeps the node from leading.

    `on_news` is called when `unfit` has changed. `no_ipv6` says why an interface can have no IPv6 address.
    """

    def __init__(
        self,
        *,
        log: FilteringBoundLogger,
        clock: Callable[[], float],
        open_ether: Open,
        on_claim: Callable[[VirtualAddress, bytes], None],
        on_news: Callable[[], None],
        no_ipv6: Callable[[str], str] = no_ipv6,
    ) -> None:
        self.lookouts: dict[VirtualAddress, Lookout] = {}
        self.problems: dict[str, str] = {}
        """What keeps this node from leading, by what it is about."""
        self._links: Mapping[str, Link] = {}
        self._wanted: Mapping[str, Link | None] = {}
        self._known: frozenset[str] = frozenset()
        self._strangers: dict[tuple[int, str, int], Assigned] = {}
        self._log = log
        self._clock = clock
        self._open_ether = open_ether
        self._on_claim = on_claim
        self._on_news = on_news
        self._no_ipv6 = no_ipv6

    # -- what is wrong -------------------------------------------------------------------------------------------------

    @property
    def unfit(self) -> str:
        """Why this node should not lead, empty where nothing is wrong."""
        return "; ".join(dict.fromkeys(self.problems.values()))

    def fail(self, what: str, why: str) -> None:
        """Something keeps this node from holding an address."""
        if self.problems.get(what) != why:
            self.problems[what] = why
            self._log.error("vip-problem", problem=why)
            self._on_news()

    def mend(self, what: str) -> None:
        """That is over."""
        if self.problems.pop(what, None) is not None:
            self._log.info("vip-problem-over", about=what)
            self._on_news()

    def _set_problems(self, kind: str, present: Mapping[str, str]) -> None:
        """These are the problems of that kind now, and no others."""
        # The new ones first: a node that is unfit for another reason was not fit in between.
        for what, why in present.items():
            self.fail(what, why)
        for what in [what for what in self.problems if what.startswith(kind) and what not in present]:
            self.mend(what)

    # -- what there is -------------------------------------------------------------------------------------------------

    def link(self, name: str) -> Link:
        """The interface of that name. Raises KernelError where there is none, or nothing goes over it."""
        found = self._links.get(name)
        if found is None:
            raise KernelError(self.problems.get("netlink") or f"there is no interface {name}")
        if found.obstacle:
            raise KernelError(found.obstacle)
        return found

    def lookout(self, address: VirtualAddress) -> Lookout:
        """Who looks out for the address. Raises KernelError where a stranger has it on this host."""
        if why := self.problems.get(f"{_STRANGER}{address.ip}"):
            raise KernelError(why)
        found = self.lookouts.get(address)
        if found is None:
            raise KernelError(self.problems.get("netlink") or "nobody has looked for it yet")
        return found

    def concerns(self, name: str, index: int) -> bool:
        """Whether an interface is one that addresses belong on, or was when it was last looked at."""
        return any(
            name == wanted or (link is not None and link.index == index) for wanted, link in self._wanted.items()
        )

    def survey(self, config: VipConfig, links: Mapping[str, Link], ours: Collection[Assigned]) -> frozenset[str]:
        """Take in what there is; `ours` are addresses of the configuration.

        Returns the interfaces that came back, or have another hardware address: neighbours are to be told.
        """
        before, self._links = self._links, links
        self._tell_of_strangers(config, ours)
        self._look_out(config)
        names = {config.interface_of(address) for address in config.addresses}
        self._wanted = {name: links.get(name) for name in names}
        own = frozenset(link.mac for link in links.values() if link.speaks_arp)
        troubles: dict[str, str] = {}
        for address, lookout in self.lookouts.items():
            name = config.interface_of(address)
            try:
                # A route is announced by a routing daemon, and its neighbours have no use for ARP.
                lookout.move(links.get(name) if config.mode is Mode.ADDRESS else None, own)
                self.link(name)
            except KernelError as error:
                troubles.setdefault(f"{_LINK}{name}", error.why)
            else:
                # It would be refused each time that this node is elected.
                if address.version == 6 and (why := self._no_ipv6(name)):
                    troubles[f"{_LINK}{name} IPv6"] = why
        self._set_problems(_LINK, troubles)
        return frozenset(name for name in names if _is_back(before.get(name), links.get(name)))

    def close(self) -> None:
        """Hear nothing more."""
        for lookout in self.lookouts.values():
            lookout.close()
        self.lookouts = {}

    def _look_out(self, config: VipConfig) -> None:
        """Have a lookout for each address; one whose prefix alone was changed keeps what it knows."""
        before = {address.ip: lookout for address, lookout in self.lookouts.items()}
        self.lookouts = {}
        for address in config.addresses:
            lookout = before.pop(address.ip, None)
            if lookout is None:
                lookout = Lookout(address, clock=self._clock, open_ether=self._open_ether, on_claim=self._on_claim)
            lookout.address = address
            self.lookouts[address] = lookout
        for lookout in before.values():
            lookout.close()

    # -- strangers -----------------------------------------------------------------------------------------------------

    def is_strange(self, assigned: Assigned) -> bool:
        """Whether it is a stranger, which is left alone."""
        return assigned.key in self._strangers

    def tell_apart(self, config: VipConfig, ours: Collection[Assigned]) -> None:
        """Find out which of the addresses of the configuration that are on this host are strangers."""
        new = {address.ip for address in config.addresses} - self._known
        self._known = frozenset(address.ip for address in config.addresses)
        lengths = {address.ip: address.length for address in config.addresses}
        self._strangers = {
            each.key: each
            for each in ours
            # What an earlier process of ours left has a lifetime, and is nothing but a host's address.
            if each.key in self._strangers or (each.ip in new and (each.permanent or each.length != lengths[each.ip]))
        }

    def _tell_of_strangers(self, config: VipConfig, ours: Collection[Assigned]) -> None:
        self.tell_apart(config, ours)
        names = {link.index: name for name, link in self._links.items()}
        strange: dict[str, str] = {}
        for each in self._strangers.values():
            name = names.get(each.index, "an interface")
            strange[f"{_STRANGER}{each.ip}"] = (
                f"{each.ip} is configured on {name} already, and not by this plugin; "
                f"unless this host needs it there, run: ip address del {each.ip}/{each.length} dev {name}"
            )
        self._set_problems(_STRANGER, strange)


def _is_back(before: Link | None, now: Link | None) -> bool:
    if now is None or now.obstacle:
        return False
    return before is None or bool(before.obstacle) or (before.index, before.mac) != (now.index, now.mac)
