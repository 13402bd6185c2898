"""What is decided about, what is decided, and the seven events that a run consists of.

Frozen `msgspec.Struct`s rather than dataclasses: they are made ten times as fast, and a transcript decodes straight into them. What every
call makes anew leads into no cycle, so the garbage collector is told to leave it alone (`gc=False`), which spares long pauses.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import Struct

Json: TypeAlias = Any
"""A value that JSON can carry."""

NO_FACTS: Mapping[str, str] = {}


class Effect(StrEnum):
    """What a policy does with a call, from the mildest to the strictest."""

    ALLOW = "allow"
    ASK = "ask"
    BLOCK = "block"


class Code(StrEnum):
    """Why a decision fell as it did. The list is closed: readers may rely on it."""

    RULE = "rule"
    DEFAULT = "default"
    LIMIT = "limit"
    MALFORMED_CALL = "malformed_call"
    MALFORMED_ARGUMENTS = "malformed_arguments"
    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    NOT_OFFERED = "not_offered"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_UNAVAILABLE = "approval_unavailable"
    KILLED = "killed"
    DUPLICATE = "duplicate"
    RESULT_BLOCKED = "result_blocked"
    RESULT_CUT = "result_cut"
    INTERNAL_ERROR = "internal_error"


class Mode(StrEnum):
    """Whether decisions bind: `enforce` them, `observe` only, or execute nothing (`dry-run`)."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    DRY_RUN = "dry-run"


class ToolCall(Struct, frozen=True, gc=False):
    """A call as a model proposed it. Nothing about it is trusted, not even the types."""

    id: Json
    """A string, unless the call is malformed."""
    name: Json
    """A string, unless the call is malformed."""
    arguments: Json
    """The raw text of the model before any parsing; anything but a string is malformed."""
    args_hash: str = ""
    """For a call from a record whose arguments are redacted: the recorded hash of the original ones."""


class ModelRequest(Struct, frozen=True):
    """The wish to ask the model once more; judged by the limits alone.

    What it may take is estimated before it is sent, never too low, and None where nobody estimates: a recorded request took what it took.
    """

    input_tokens: int | None = None
    """What is sent."""
    output_tokens: int | None = None
    """The longest answer that the task itself wants; None where it does not say."""
    input_usd: float | None = None
    """What sending it costs."""
    output_usd: float | None = None
    """What one token of the answer costs."""

    def reserve_usd(self, room: int | None = None) -> float:
        """What is set aside for it in US dollars: what is sent, and the answer as far as the task, or the room that is left, bounds it.

        Args:
            room: how many tokens of an answer the limits have room for; None for any number.
        """
        longest = self.output_tokens or 0
        return (self.input_usd or 0.0) + (self.output_usd or 0.0) * (longest if room is None else max(0, min(longest, room)))


Action: TypeAlias = ToolCall | ModelRequest


class Trial(Struct, frozen=True):
    """A rule with `observe: true` that matched: recorded, never enforced."""

    rule: str
    effect: Effect


class ResultEffect(StrEnum):
    """What a policy does with the result of a call, from the mildest to the strictest."""

    ALLOW = "allow"
    CUT = "cut"
    BLOCK = "block"


class ResultTrial(Struct, frozen=True):
    """A rule about results with `observe: true` that matched: recorded, never enforced."""

    rule: str
    effect: ResultEffect


class Decision(Struct, frozen=True, gc=False):
    """The judgement on one action."""

    effect: Effect
    code: Code
    rule: str | None
    """The id of the deciding rule or limit; None where none decided."""
    reason: str
    """A sentence for people and for the model."""
    hint: str | None = None
    """What to do instead, from the rule."""
    arguments: Mapping[str, Json] | None = None
    """The parsed arguments, where the judgement got as far as parsing them. This is what is executed."""
    facts: Mapping[str, str] = NO_FACTS
    """What was looked up for this decision: absolute path → path with links resolved, id of a limit per hour or day → what was used of it,
    `once` → the same call in another run."""
    trials: tuple[Trial, ...] = ()
    """Rules on trial that matched."""
    args_hash: str = ""
    """The SHA-256 of `arguments` in canonical form, where the judgement had to know it; empty where not."""
    enforced: bool = True
    """False in observe mode, for allowed calls too."""
    room: int | None = None
    """For a model request: how many tokens of an answer the limits have room for; None where nothing bounds it."""


class Digest(Struct, frozen=True):
    """A file by its name and the SHA-256 of its bytes, in hexadecimal."""

    name: str
    sha256: str


class PolicyDigest(Struct, frozen=True):
    """The policy of a run: its name, the SHA-256 over its files' digests, and those files."""

    name: str
    sha256: str
    files: tuple[Digest, ...] = ()


class Sources(Struct, frozen=True, kw_only=True):
    """Where the files of a run lay, and what the code of its tools was: what it takes to go on with it later."""

    task: str | None = None
    """Its absolute path; None where it came from standard input."""
    policy: tuple[str, ...] = ()
    """The absolute paths of the files that were named; empty where one came from standard input."""
    code: tuple[Digest, ...] = ()
    """The files that the tools were imported from, by their paths."""
    state: str | None = None
    """The absolute path of the state folder."""
    scope: str | None = None
    """The key of runs that execute a call once together."""


class Usage(Struct, frozen=True):
    """Tokens of one model answer."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    """How many of `input_tokens` came from the provider's cache."""


class Totals(Struct, frozen=True):
    """What a run came to."""

    steps: int = 0
    calls: int = 0
    allowed: int = 0
    asked: int = 0
    blocked: int = 0
    executed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Recorded(Struct, frozen=True, tag_field="type", kw_only=True):
    """Common to all events: when it happened, in UTC."""

    at: datetime = EPOCH


class RunStarted(Recorded, frozen=True, tag="run_started", kw_only=True):
    """A run begins. Everything that judging depends on besides the policy's own text is in here."""

    run_id: str
    agentgate: str = ""
    """The version that wrote it."""
    task: Digest | None = None
    policy: PolicyDigest | None = None
    mode: Mode = Mode.ENFORCE
    role: str | None = None
    model: str | None = None
    messages: tuple[dict[str, Json], ...] = ()
    tools: tuple[dict[str, Json], ...] | None = None
    """As offered to the model, in Chat Completions form; None where an imported transcript does not say."""
    tool_choice: Json = "auto"
    """A word, or the mapping of the task file with the names that `policy` stood for."""
    workdir: str | None = None
    """Where relative paths start, absolute."""
    imported: bool = False
    """Whether this was made from what somebody else recorded, which tells less than a run of ours."""
    max_steps: int | None = None
    """The task's own limit of model requests; unlike the policy's it binds in observe mode too."""
    sources: Sources | None = None


class RunResumed(Recorded, frozen=True, tag="run_resumed", kw_only=True):
    """A run goes on that waited, was interrupted, failed, or was killed. Role and mode stay those of `run_started`."""

    task: Digest | None = None
    """In force from here on."""
    policy: PolicyDigest | None = None
    """In force from here on."""
    tools: tuple[dict[str, Json], ...] | None = None
    """As offered from here on; None where they are those of before."""
    max_steps: int | None = None
    """None where it is that of before."""
    overrides: tuple[str, ...] = ()
    """What has changed and was accepted by the operator: `task`, `policy`, `tools`."""
    retry_unknown: bool = False
    """Whether calls that may have run are to be executed again."""
    sources: Sources | None = None


class Offer(Struct, frozen=True):
    """What one request offered to the model."""

    tools: tuple[dict[str, Json], ...]
    """In Chat Completions form."""
    tool_choice: Json = "auto"
    """A word, or a mapping as in `run_started`."""


class ModelReplied(Recorded, frozen=True, tag="model_replied", kw_only=True):
    """The model answered."""

    step: int
    """Counts from 1."""
    message: dict[str, Json]
    """The assistant message in Chat Completions form."""
    finish_reason: str | None = None
    """In Chat Completions' words for every API."""
    usage: Usage | None = None
    """None where the provider did not say, which is not the same as zero."""
    cost_usd: float | None = None
    unusable: str | None = None
    """Why nothing in this answer may be executed (cut off, or a shape that is not understood); None where its calls may be judged."""
    redacted: bool = False
    """Whether `message` is not what the model said, because something in it was redacted. Its calls must not be executed from the
    record."""
    items: tuple[Json, ...] = ()
    """What the provider wants to see again in place of `message` (output items of the Responses API)."""
    messages: tuple[dict[str, Json], ...] = ()
    """User messages that came in since the answer before this one (imported conversations have them)."""
    offered: Offer | None = None
    """What this answer was asked with, from here on; None where nothing changed. Applications behind a gateway offer what they like."""


class CallDecided(Recorded, frozen=True, tag="call_decided", kw_only=True):
    """A proposed call was judged. Written to disk before anything is executed."""

    step: int
    call_id: Json
    """A string, unless the call is malformed."""
    tool: Json
    """A string, unless the call is malformed."""
    arguments: Json
    """The raw text."""
    args_hash: str = ""
    """SHA-256 of the parsed arguments in canonical form, of the raw text where they do not parse."""
    effect: Effect
    code: Code
    rule: str | None = None
    reason: str = ""
    hint: str | None = None
    enforced: bool = True
    facts: Mapping[str, str] = NO_FACTS
    trials: tuple[Trial, ...] = ()
    withheld: bool = False
    """Whether the whole answer was held back, for this call or for another one in it: nobody ever saw the call, so its id stays free, and
    it used up nothing."""
    redacted: bool = False
    """Whether `arguments` are not those of the call, because something in them was redacted. They must not be executed from the record,
    and `args_hash` is the hash of the original ones."""


class Scope(StrEnum):
    """How far an approval goes."""

    CALL = "call"
    """This one call."""
    RUN = "run"
    """And every later call in this run that is exactly the same."""
    RETRY = "retry"
    """One more execution of a call that was let through, and of which nobody knows whether it ran."""


class ApprovalAnswered(Recorded, frozen=True, tag="approval_answered", kw_only=True):
    """Somebody, or nobody in time, answered an `ask`. It counts once, and for nothing else than what it names."""

    run_id: str | None = None
    """None, here and below, where an older version recorded it."""
    call_id: str
    tool: str | None = None
    args_hash: str
    policy: str | None = None
    """The SHA-256 of the policy that asked."""
    answer: str
    """`approve` or `reject`."""
    scope: Scope = Scope.CALL
    by: str
    note: str | None = None


class Original(Struct, frozen=True):
    """A text that is not in the record, by its size and the SHA-256 of its UTF-8 form, in hexadecimal."""

    bytes: int
    sha256: str


class ToolReturned(Recorded, frozen=True, tag="tool_returned", kw_only=True):
    """The one answer that a call gets: a result, or word of its refusal."""

    call_id: Json
    executed: bool
    ok: bool
    content: str
    """The text given to the model."""
    seconds: float = 0.0
    truncated: bool = False
    unknown: bool = False
    """Whether nobody knows if the tool ran: it was given up, or the run was killed."""
    rule: str | None = None
    """The rule about results that blocked or cut it."""
    code: Code | None = None
    """Why the model got something else than the tool returned; None where it did not, or nothing was executed."""
    enforced: bool = True
    """False where that rule was only observed, and the model got all of it."""
    trials: tuple[ResultTrial, ...] = ()
    original: Original | None = None
    """What the tool returned, where the model did not get it, or not all of it."""


class RunEnded(Recorded, frozen=True, tag="run_ended", kw_only=True):
    """A run is over, unless it is resumed."""

    status: str
    """`done`, `stopped` (by the policy), `failed` (something outside), `interrupted`, or `waiting` (for somebody to approve a call)."""
    reason: str = ""
    totals: Totals = Totals()


Event: TypeAlias = RunStarted | RunResumed | ModelReplied | CallDecided | ApprovalAnswered | ToolReturned | RunEnded
