"""What an EC2 instance is told about itself, by IMDSv2: a token first, and it with each question. Private to `aws`."""

import re

from les_plugins.floating_ip.http import Http, Reply
from les_plugins.floating_ip.trouble import Fault, Trouble

__all__ = ["InstanceMetadata"]

# A token for each question: they are rare, and one that was kept would have to be renewed.
_TOKEN_TTL_SECONDS = 60


class InstanceMetadata:
    """Asks for the primary network interface."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def interface(self) -> str:
        """Its id. Raises Trouble."""
        found = (await self._ask(f"{await self._path()}/interface-id")).text()
        if not re.fullmatch(r"eni-[0-9a-f]{1,32}", found):
            raise Trouble(Fault.MALFORMED, f"{found!r}, which is no network interface")
        return found

    async def private_ips(self) -> list[str]:
        """Its addresses of IPv4, which are there when EC2 delivers to them. Raises Trouble."""
        reply = await self._ask(f"{await self._path()}/local-ipv4s")
        return reply.body.decode("ascii", "replace").split()

    async def _path(self) -> str:
        mac = (await self._ask("mac")).text()
        if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac):
            raise Trouble(Fault.MALFORMED, f"{mac!r}, which is no hardware address")
        return f"network/interfaces/macs/{mac}"

    async def _ask(self, path: str) -> Reply:
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_TTL_SECONDS)}
        token = (await self._http.call("PUT", "/latest/api/token", headers=ttl)).text()
        return await self._http.call("GET", f"/latest/meta-data/{path}", headers={"X-aws-ec2-metadata-token": token})
