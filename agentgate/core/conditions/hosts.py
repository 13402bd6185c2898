"""Host names as a policy lists them and as arguments have them, in the one spelling that everybody reads alike."""

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from agentgate.core.conditions.test import InvalidOperand
from agentgate.core.late import late

_NAME = late(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC = late(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


def is_name(host: str) -> bool:
    """Whether it is a host name in lower-case ASCII, without a trailing dot, that nobody can take for an address."""
    return _NAME.fullmatch(host) is not None and _NUMERIC.fullmatch(host) is None


def is_address(host: str) -> bool:
    """Whether it is an IPv4 address, or an IPv6 address without brackets, in its one canonical spelling.

    IPv6 addresses that carry an IPv4 address inside are not: they are another spelling of that.
    """
    try:
        if ":" not in host:
            return str(IPv4Address(host)) == host
        address = IPv6Address(host)
    except AddressValueError:
        return False
    carries = (address.ipv4_mapped, address.sixtofour, address.teredo)
    translated = address.packed[:12] in (bytes(12), bytes.fromhex("0064ff9b") + bytes(8)) and address.packed[12:14] != bytes(2)
    return str(address) == host and not any(carries) and not translated


class Hosts:
    """A list of hosts: names, `*.` with a name for everything below it, and addresses."""

    __slots__ = ("_below", "_exact")

    def __init__(self, listed: Iterable[str], *, addresses: bool) -> None:
        """Reads the list.

        Args:
            listed: as the policy has it; letter case does not count.
            addresses: whether IP addresses may be listed.

        Raises:
            InvalidOperand: one of them is not a host.
        """
        exact, below = set(), []
        for written in listed:
            host = written.lower()
            bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
            if host.startswith("*.") and is_name(host[2:]):
                below.append(host[1:])
            elif is_name(host) or (addresses and is_address(bare)):
                exact.add(bare)
            else:
                raise InvalidOperand(f"`{written}` is not a host name" + (" or address" if addresses else ""))
        self._exact = frozenset(exact)
        self._below = tuple(below)

    def __contains__(self, host: str) -> bool:
        """Whether a host, which `is_name` or `is_address`, is listed."""
        return host in self._exact or (host.endswith(self._below) and is_name(host))
