"""`email`: the argument is one mail address at a listed domain."""

from agentgate.core.conditions.hosts import Hosts, is_name
from agentgate.core.conditions.test import Operator, Test, Unjudgeable, World
from agentgate.core.conditions.text import string
from agentgate.core.events import Json
from agentgate.core.late import late
from agentgate.core.state import State

MAX_LENGTH = 254
MAX_LOCAL = 64
_ATOM = r"[A-Za-z0-9_+='&-]+"
_LOCAL = late(rf"(?![-'=&+]){_ATOM}(?:\.{_ATOM})*")


def domain_of(address: str) -> str:
    """The domain, in lower case, of a text that is one plain `local@domain`.

    Raises:
        Unjudgeable: it is something else, or some mail software reads it as something else.
    """
    local, at, domain = address.partition("@")
    if not at or len(local) > MAX_LOCAL or _LOCAL.fullmatch(local) is None:
        raise Unjudgeable("is not one plain mail address")
    if not domain.isascii() or not is_name(domain.lower()):
        raise Unjudgeable("has no plain domain")
    return domain.lower()


def _compile(operand: Json) -> Test:
    domains = Hosts(operand, addresses=False)

    def holds(value: Json, world: World, state: State) -> bool:
        return domain_of(string(value, MAX_LENGTH)) in domains

    return Test(holds=holds, wanted="a mail address at " + (" or ".join(operand) or "no domain"), never=not operand)


OPERATOR = Operator(
    key="email",
    summary="is one mail address whose domain is listed; `*.example.com` stands for the domains below that one",
    operand={
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "description": 'Domains, and `"*.example.com"` for everything below one.',
    },
    compile=_compile,
    example=["example.com"],
    details="""Exactly one `local@domain` in ASCII: letters, digits and `_ + = ' & - .` before the `@`, starting with a letter, digit or
`_`, at most 64 characters, 254 in all. Letter case of the domain does not count. Anything else is unjudgeable: several
addresses, display names, comments, quotes, routes (`a%b@c`, `a!b@c`), white space and line breaks, an IP address as the
domain, a trailing dot, domains outside ASCII. A list of addresses is not an address.""",
)
