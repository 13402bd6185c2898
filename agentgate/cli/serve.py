"""`agentgate serve`: the gateway."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import Policies, Role, State
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from agentgate.core.policy import Policy
    from agentgate.files.state_folder import StateFolder
    from agentgate.gateway.books import Keeping
    from agentgate.gateway.judging import Bench
    from agentgate.gateway.settings import Settings
    from agentgate.gateway.tracing import Traces
    from agentgate.models.prices import Pricing


class OnBlock(StrEnum):
    """What becomes of an answer with a call that is not let through."""

    ERROR = "error"
    REPAIR = "repair"


# Options have variables, except those that weaken what is enforced.
_Upstream = Annotated[
    str, typer.Option("--upstream", help="The base URL of the model's server.", envvar="AGENTGATE_UPSTREAM", metavar="URL")
]
_Host = Annotated[str, typer.Option("--host", help="The address to listen at; beyond this machine only with --key-env.", metavar="HOST")]
_Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen at.", envvar="AGENTGATE_PORT", metavar="PORT")]
_KeyEnv = Annotated[str | None, typer.Option("--key-env", help="The variable with the key that clients must present.", metavar="NAME")]
_Observe = Annotated[bool, typer.Option("--observe", help="Record decisions, enforce none.")]
_OnBlock = Annotated[OnBlock, typer.Option("--on-block", help="error: status 409; repair: tell the model and ask it again.")]
_Store = Annotated[
    str | None,
    typer.Option("--store", help="The database of sessions and events.", envvar="AGENTGATE_STORE", metavar="PATH|URL"),
]
_MaxBody = Annotated[int, typer.Option("--max-body", min=1, help="Bytes of a request at most.", metavar="BYTES")]
_Timeout = Annotated[float, typer.Option("--upstream-timeout", min=0.1, help="Seconds that the upstream may be silent.", metavar="SECONDS")]
_Hosts = Annotated[list[str], typer.Option("--allow-host", help="A further name that requests may be addressed to.", metavar="NAME")]
_Origins = Annotated[list[str], typer.Option("--allow-origin", help="A web page that may call the gateway.", metavar="ORIGIN")]

_SessionTtl = Annotated[
    str, typer.Option("--session-ttl", help="How long a session without requests is remembered: 90m, 24h, 7d.", metavar="TIME")
]
_ApprovalTtl = Annotated[str, typer.Option("--approval-ttl", help="How long a question and its answer stand.", metavar="TIME")]
_KeepEvents = Annotated[
    str | None, typer.Option("--keep-events", help="Removes events that are older, for instance 90d; none by default.", metavar="TIME")
]
_Otel = Annotated[
    bool, typer.Option("--otel", help="Send OpenTelemetry traces where the OTEL_… variables say, http://localhost:4318 by default.")
]
_OtelContent = Annotated[bool, typer.Option("--otel-content", help="With --otel: messages and arguments too, redacted as records are.")]


def serve(
    policy: Policies = [],  # noqa: B006 - typer reads the default, nobody changes it
    upstream: _Upstream = "",
    host: _Host = "127.0.0.1",
    port: _Port = 41002,
    key_env: _KeyEnv = None,
    role: Role = None,
    observe: _Observe = False,
    on_block: _OnBlock = OnBlock.ERROR,
    store: _Store = None,
    state: State = None,
    max_body: _MaxBody = 32 * 1024 * 1024,
    upstream_timeout: _Timeout = 600.0,
    allow_host: _Hosts = [],  # noqa: B006
    allow_origin: _Origins = [],  # noqa: B006
    session_ttl: _SessionTtl = "24h",
    approval_ttl: _ApprovalTtl = "24h",
    keep_events: _KeepEvents = None,
    otel: _Otel = False,
    otel_content: _OtelContent = False,
) -> None:
    """Serves an OpenAI-compatible gateway that enforces a policy on the model's answers.

    An application changes its base URL to http://localhost:41002/v1 and nothing else. Every tool call in an answer is decided and recorded
    before a byte of it goes out; SIGHUP reads the policy again.
    """
    if not policy:
        raise UsageError("no policy is given", help="name one with --policy, for instance --policy policies/strict.yaml")
    if not upstream:
        raise UsageError("no upstream is given", help="for instance --upstream https://api.openai.com/v1 or http://localhost:11434/v1")
    if observe and on_block is OnBlock.REPAIR:
        raise UsageError("--observe lets everything through, so nothing is repaired", help="choose one of them")
    try:
        import httptools  # noqa: F401 - an extra
    except ImportError:
        raise UsageError("the gateway needs httptools, which is not installed", help="pip install -e '.[serve]'") from None
    from agentgate.clock import steady_clock
    from agentgate.files.state_folder import DEFAULT, StateFolder
    from agentgate.gateway.server import Setup
    from agentgate.gateway.server import serve as run
    from agentgate.gateway.settings import settings
    from agentgate.gateway.store import open_store

    clock = steady_clock()
    keeping = _keeping(session_ttl, approval_ttl, keep_events)
    wanted = settings(
        upstream=upstream,
        environ=os.environ,
        host=host,
        port=port,
        key_env=key_env,
        repair=on_block is OnBlock.REPAIR,
        max_body=max_body,
        upstream_timeout=upstream_timeout,
        hosts=tuple(allow_host),
        origins=tuple(allow_origin),
    )
    folder = StateFolder(state or DEFAULT)
    open_traces = _traces(wanted.upstream, otel=otel, content=otel_content)
    load = _loader(policy, role, wanted, folder, observe=observe)
    bench = load()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    setup = Setup(
        settings=wanted,
        load=load,
        open_store=lambda: open_store(store or _default_store(folder), clock, keeping),
        open_traces=open_traces,
        say=_say,
        ready=lambda port: _announce(wanted, bench, port),
    )
    if not run(setup):
        _say("stopped at once: answers that had begun were broken off")
        raise typer.Exit(130)


def _loader(policies: list[str], role: str | None, wanted: Settings, state: StateFolder, *, observe: bool) -> Callable[[], Bench]:
    """What reads the policy, at the start and again at SIGHUP."""
    from agentgate.clock import steady_clock
    from agentgate.core.events import Digest, Mode, PolicyDigest
    from agentgate.core.redaction.redactor import Redactor
    from agentgate.core.redaction.secrets import known_secrets
    from agentgate.files.links import resolve
    from agentgate.files.policy_file import load_policy
    from agentgate.files.reading import STDIN, read_source
    from agentgate.gateway.judging import Bench
    from agentgate.gateway.stops import Stops
    from agentgate.session import prepare

    clock, workdir, stops = steady_clock(), os.getcwd(), Stops(state)  # noqa: PTH109
    given = read_source(STDIN).data if STDIN in policies else None  # which can be read once only

    def load() -> Bench:
        policy = load_policy(*policies, stdin=None if given is None else BytesIO(given))
        _check_role(policy, role)
        return Bench(
            policy=prepare(policy),
            digest=PolicyDigest(policy.name, policy.sha256, tuple(Digest(name, sha256) for name, sha256 in policy.files)),
            mode=Mode.OBSERVE if observe else Mode.ENFORCE,
            role=role,
            clock=clock,
            workdir=workdir,
            resolve=resolve,
            redactor=Redactor(policy.redactions, known_secrets(os.environ)) or None,
            switch=stops.switch,
            price=_prices(wanted.upstream) if any(limit.kind == "cost_usd" for limit in policy.limits) else None,
        )

    return load


def _keeping(session_ttl: str, approval_ttl: str, keep_events: str | None) -> Keeping:
    from agentgate.gateway.books import Keeping

    made = Keeping(
        sessions=_length(session_ttl, "--session-ttl"),
        approvals=_length(approval_ttl, "--approval-ttl"),
        events=None if keep_events is None else _length(keep_events, "--keep-events"),
    )
    if made.events is not None and made.events < made.sessions:
        raise UsageError(
            "sessions consist of events, so `--keep-events` is at least `--session-ttl`", help="make one longer or the other shorter"
        )
    return made


def _length(text: str, option: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,5})([smhd])", text)
    length = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
    if not length:
        raise UsageError(f"`{option} {text}` is not a length of time", help="a number with s, m, h or d: 90m, 24h, 7d")
    return length


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _check_role(policy: Policy, role: str | None) -> None:
    if role is not None and role not in policy.roles:
        help = f"one of {', '.join(policy.roles)}" if policy.roles else "it defines no roles; leave `--role` out"
        raise UsageError(f"the policy has no role `{role}`", help=help)


def _traces(upstream: str, *, otel: bool, content: bool) -> Callable[[], Traces]:
    """How to open the traces; what they need is imported only where they are wanted."""
    from agentgate.gateway.tracing import NoTraces

    if not otel:
        if content:
            raise UsageError("without `--otel` there are no traces that could hold content", help="add --otel, or leave --otel-content out")
        return NoTraces
    try:
        from agentgate.gateway.otel_export import open_traces
    except ImportError:
        raise UsageError("traces need OpenTelemetry, which is not installed", help="pip install -e '.[serve,otel]'") from None
    return lambda: open_traces(upstream, os.environ, content=content)


def _prices(upstream: str) -> Callable[[str], Pricing | None]:
    """How to tell what a model's answers cost, by its name and the upstream."""
    from agentgate.models.prices import pricing
    from agentgate.task import ModelSettings

    @cache
    def price(model: str) -> Pricing | None:
        return pricing(ModelSettings(provider="openai", name=model, base_url=upstream), {})

    return price


def _default_store(folder: StateFolder) -> Path:
    folder.make()
    return folder.gateway


def _say(text: str) -> None:
    sys.stderr.write(f"agentgate: {text}\n")
    sys.stderr.flush()


def _announce(wanted: Settings, bench: Bench, port: int) -> None:
    from agentgate.core.events import Mode
    from agentgate.output.safe import safe

    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    mode = "OBSERVE: decisions are recorded, nothing is enforced" if bench.mode is Mode.OBSERVE else "ENFORCE"
    _say(f"serving http://{host}:{port}/v1 for {wanted.upstream}")
    _say(f"policy {safe(bench.digest.name)}@{bench.digest.sha256[:7]} · role {safe(bench.role or 'none')} · {mode}")
    if wanted.upstream_key is not None and wanted.key is None:
        _say("warning: every program on this machine may use the key in OPENAI_API_KEY through this gateway; --key-env asks for one")
