"""How a gateway is set up, and what it refuses to start with. All of it comes from the operator."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from agentgate.errors import UsageError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 41002
MAX_BODY = 32 * 1024 * 1024
UPSTREAM_SECONDS = 600.0
EVENTS_KEY = "AGENTGATE_EVENTS_KEY"
APPROVALS_KEY = "AGENTGATE_APPROVALS_KEY"
UPSTREAM_KEY = "OPENAI_API_KEY"
SESSION_ID = re.compile(r"[A-Za-z0-9_.:@-]{1,128}", re.ASCII)
"""What clients may call a session."""
_SHORTEST_KEY = 16
"""Characters; a shorter key can be guessed."""


class Patience(Struct, frozen=True, kw_only=True):
    """How long clients may be slow, in seconds."""

    idle: float = 75.0
    """With a connection without a request, or with the head of one."""
    body: float = 60.0
    """With the body of a request."""
    client: float = 120.0
    """With taking what they are sent."""


_PATIENCE = Patience()


class Settings(Struct, frozen=True, kw_only=True):
    """What the command line and the environment say about a gateway, checked."""

    upstream: str
    """The base URL, without a slash at its end."""
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    key: str | None = None
    """What clients must present; None for nothing."""
    events_key: str | None = None
    """What opens the events; the clients' key does too."""
    approvals_key: str | None = None
    """What opens the answering of questions. Never the clients' key: an application must not approve its own calls."""
    upstream_key: str | None = None
    """What the upstream is given; None for the client's own, where clients need none of ours."""
    repair: bool = False
    max_body: int = MAX_BODY
    """Bytes."""
    upstream_timeout: float = UPSTREAM_SECONDS
    """Seconds that the upstream may be silent."""
    patience: Patience = Patience()
    hosts: frozenset[str] = frozenset()
    """Names, without ports, that a request may be addressed to, besides the machine's own."""
    origins: frozenset[str] = frozenset()
    """Web pages that may call the gateway."""

    @property
    def passes_client_key(self) -> bool:
        """Whether the client's Authorization goes to the upstream."""
        return self.key is None and self.upstream_key is None


def settings(
    *,
    upstream: str,
    environ: Mapping[str, str],
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    key_env: str | None = None,
    repair: bool = False,
    max_body: int = MAX_BODY,
    upstream_timeout: float = UPSTREAM_SECONDS,
    patience: Patience = _PATIENCE,
    hosts: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
) -> Settings:
    """The settings of a gateway.

    Raises:
        UsageError: it would be dangerous to start like this; the message says why.
    """
    made = Settings(
        upstream=_upstream(upstream),
        host=host,
        port=port,
        key=None if key_env is None else _key(environ, key_env),
        events_key=_optional_key(environ, EVENTS_KEY),
        approvals_key=_optional_key(environ, APPROVALS_KEY),
        upstream_key=environ.get(UPSTREAM_KEY) or None,
        repair=repair,
        max_body=max_body,
        upstream_timeout=upstream_timeout,
        patience=patience,
        hosts=frozenset(map(_host, hosts)),
        origins=frozenset(map(_origin, origins)),
    )
    _check(made)
    return made


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. Of names, only `localhost` is believed."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check(made: Settings) -> None:
    if not is_loopback(made.host) and made.key is None:
        raise UsageError(
            f"with `--host {made.host}` anybody who reaches this machine could use the gateway",
            help="name a variable with a key that clients must present: --key-env NAME; or leave --host out",
        )
    split = urlsplit(made.upstream)
    if split.scheme == "http" and not is_loopback(split.hostname or "") and (made.upstream_key or made.passes_client_key):
        raise UsageError(
            f"`{made.upstream}` is not encrypted, so keys and conversations would cross the network for all to read",
            help=f"use https://, or unset {UPSTREAM_KEY} and give clients a key of the gateway's own with --key-env",
        )
    keys = {"the clients' key": made.key, EVENTS_KEY: made.events_key, UPSTREAM_KEY: made.upstream_key}
    for name, key in keys.items():
        if made.approvals_key is not None and made.approvals_key == key:
            raise UsageError(
                f"{APPROVALS_KEY} is the same as {name}, so whoever has that one could approve calls", help="give it a key of its own"
            )
    if made.key is not None and made.key == made.upstream_key:
        raise UsageError(f"clients would be given the key in {UPSTREAM_KEY} itself", help="give them a key of the gateway's own")


def _upstream(url: str) -> str:
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        raise UsageError(f"`{url}` is not a URL", help=_EXAMPLE) from None
    if split.scheme not in ("http", "https") or not split.hostname:
        raise UsageError(f"`{_shown(split)}` is not an address that can be asked", help=_EXAMPLE)
    if split.username is not None or split.password is not None:
        raise UsageError("the upstream's address holds a name or password", help=f"put the key into {UPSTREAM_KEY}")
    if split.query or split.fragment or port == 0:
        raise UsageError(f"`{_shown(split)}` is not a base URL", help=_EXAMPLE)
    return url.rstrip("/")


def _host(given: str) -> str:
    """A name as `Host` has it, without a port and in lower case."""
    name = given.lower().removeprefix("[").removesuffix("]")
    if _NAME.fullmatch(name) is None and not _is_address(name):
        raise UsageError(
            f"`{given}` is not the name of a machine", help="a name or an address without a port: --allow-host gate.example.com"
        )
    return name


def _origin(given: str) -> str:
    """An origin exactly as browsers say it."""
    found = _ORIGIN.fullmatch(given)
    if found is None or found[2] == _OWN_PORTS.get(found[1], "none"):
        raise UsageError(
            f"`{given}` is not what a browser says in `Origin`",
            help="a scheme, a name in lower case, a port only where it is not the scheme's own: --allow-origin https://app.example.com",
        )
    return given


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?")
_OWN_PORTS = {"http": ":80", "https": ":443"}
"""Which browsers leave out."""
_EXAMPLE = "for instance --upstream https://api.openai.com/v1 or http://localhost:11434/v1"


def _shown(split: SplitResult) -> str:
    return f"{split.scheme}://{split.hostname or ''}{split.path}"


def _key(environ: Mapping[str, str], name: str) -> str:
    key = environ.get(name)
    if not key:
        raise UsageError(
            f"the variable `{name}` holds no key", help=f"set it, for instance to the output of: openssl rand -hex 24  ({name}=…)"
        )
    return _sound(key, name)


def _optional_key(environ: Mapping[str, str], name: str) -> str | None:
    key = environ.get(name)
    return _sound(key, name) if key else None


def _sound(key: str, name: str) -> str:
    if len(key) < _SHORTEST_KEY:
        raise UsageError(
            f"the key in `{name}` has only {len(key)} characters", help=f"at least {_SHORTEST_KEY}, by chance: openssl rand -hex 24"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(f"the key in `{name}` holds characters that no header can carry", help="`openssl rand -hex 24` prints a good one")
    return key
