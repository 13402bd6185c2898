"""`url`: the argument is a URL to a listed host, and every client would go to that host."""

from msgspec import Struct

from agentgate.core.conditions.hosts import Hosts, is_address, is_name
from agentgate.core.conditions.test import InvalidOperand, Operator, Test, Unjudgeable, World
from agentgate.core.conditions.text import string
from agentgate.core.events import Json
from agentgate.core.late import late
from agentgate.core.state import State

MAX_LENGTH = 8000
"""Characters; servers refuse longer ones."""
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
"""The schemes that can be listed, and the port that each has by itself."""
_URL = late(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<rest>/[A-Za-z0-9._~:/?@!$&'()*+,;=#%\[\]-]*)?"
)
_ESCAPES = late(r"%(?![0-9A-Fa-f]{2})|%(?:0[0aAdD])")


class Target(Struct, frozen=True):
    """Where a URL leads."""

    scheme: str
    host: str
    """In lower case, without brackets."""
    port: int | None
    """As written; None for the scheme's own."""


def parse(text: str) -> Target:
    """Where a URL leads, so far as every client agrees on that.

    Raises:
        Unjudgeable: clients may disagree.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise Unjudgeable("is not a plain `scheme://host[:port][/path]` in ASCII")
    if _ESCAPES.search(text):
        raise Unjudgeable("contains a broken percent escape, or an escaped line break or NUL")
    host = match["host"].lower()
    bare = host[1:-1] if host.startswith("[") else host
    if host.startswith("[") != (":" in bare) or not (is_name(bare) or is_address(bare)):
        raise Unjudgeable("has a host that is neither a name nor an address in canonical form")
    port = None if match["port"] is None else int(match["port"])
    if port is not None and port > 65535:
        raise Unjudgeable("has no such port")
    return Target(match["scheme"].lower(), bare, port)


def _compile(operand: Json) -> Test:
    hosts = Hosts(operand["hosts"], addresses=True)
    schemes: list[str] | None = operand.get("schemes")
    ports: list[int] | None = operand.get("ports")
    unknown = [scheme for scheme in schemes or () if scheme not in PORTS]
    if unknown:
        raise InvalidOperand(f"`{unknown[0]}` is not one of the schemes {', '.join(PORTS)}")

    def holds(value: Json, world: World, state: State) -> bool:
        target = parse(string(value, MAX_LENGTH))
        if target.host not in hosts:
            return False
        own = PORTS.get(target.scheme)
        port = own if target.port is None else target.port
        if target.scheme not in (schemes if schemes is not None else ("https",)):
            return _elsewhere("scheme", named=schemes is not None)
        if port not in (ports if ports is not None else (own,)):
            return _elsewhere("port", named=ports is not None)
        return True

    return Test(
        holds=holds,
        wanted="a URL to " + (" or ".join(operand["hosts"]) or "no host"),
        never=not operand["hosts"] or schemes == [] or ports == [],
    )


def _elsewhere(what: str, *, named: bool) -> bool:
    """False where the policy names the schemes or ports; otherwise it did not say, so a listed host cannot be called unlisted."""
    if named:
        return False
    raise Unjudgeable(f"leads to a listed host by another {what}, and the policy names no {what}s")


OPERATOR = Operator(
    key="url",
    summary="is a URL whose host and scheme are listed; `*.example.org` stands for what is below that name, not for the name itself",
    operand={
        "type": "object",
        "required": ["hosts"],
        "additionalProperties": False,
        "properties": {
            "hosts": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": 'Host names, `"*.example.org"` for everything below a name, IP addresses in canonical form.',
            },
            "schemes": {
                "type": "array",
                "items": {"enum": list(PORTS)},
                "description": "The schemes that may be used; `https` alone where this is left out.",
            },
            "ports": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1, "maximum": 65535},
                "description": "The ports that may be used; the scheme's own where this is left out.",
            },
        },
        "description": "Where the URL may lead.",
    },
    compile=_compile,
    example={"hosts": ["api.example.com", "*.example.org"], "schemes": ["https"]},
    details="""Names are compared, not the addresses behind them; letter case of host and scheme does not count. `schemes` left out means
`https` alone, `ports` left out the scheme's own port; a listed host by another scheme or port is then unjudgeable, so a
block rule that only names a host catches it at every port. Path, query and fragment may be anything that the URL syntax
allows. Unjudgeable is what clients read differently: user-info, backslashes, white space, characters outside ASCII (write
`xn--…` and `%…`), a trailing dot, an empty host or port, leading zeros in the port, one slash or three, a query or fragment
straight after the host, and IP addresses in any but the canonical spelling (decimal, octal, short forms, IPv4 inside IPv6,
zones).""",
)
