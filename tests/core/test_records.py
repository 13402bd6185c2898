"""What of each event is redacted in the record, and what never is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agentgate.core.events import (
    CallDecided,
    Code,
    Decision,
    Digest,
    Effect,
    Event,
    Json,
    ModelReplied,
    Offer,
    Original,
    PolicyDigest,
    RunStarted,
    ToolCall,
    ToolReturned,
    Trial,
    Usage,
)
from agentgate.core.policy import Redaction
from agentgate.core.redaction.records import Records, for_approver, redacting
from agentgate.core.redaction.redactor import Redactor
from agentgate.errors import RecordError

from .building import START

REDACTOR = Redactor(
    (
        Redaction(id="a", pattern="aaa", where="arguments", replace="<A>"),
        Redaction(id="r", pattern="rrr", where="results", replace="<R>"),
        Redaction(id="b", pattern="bbb", replace="<B>"),
    ),
    {"KEY": "sssssssssssss"},
)
SAID = "aaa rrr bbb"
SECRET = "sssssssssssss"
KEY = "[redacted:$KEY]"
DECIDED = CallDecided(
    at=START,
    step=1,
    call_id="c",
    tool=SAID,
    arguments=f'{{"x": "{SAID}"}}',
    args_hash="bbb",
    effect=Effect.ALLOW,
    code=Code.RULE,
    rule="bbb",
    reason=SAID,
    hint=SAID,
    facts={"/x": SAID},
    trials=(Trial("bbb", Effect.BLOCK),),
)


def test_a_decision_is_redacted_by_what_its_fields_are() -> None:
    """Arguments as arguments, ids of rules not at all, hashes never; and it says that the arguments are not those of the call."""
    assert Records(REDACTOR)(DECIDED) == replace(
        DECIDED,
        tool="<A> <R> <B>",
        arguments='{"x": "<A> rrr <B>"}',
        reason="<A> <R> <B>",
        hint="<A> <R> <B>",
        facts={"/x": "<A> <R> <B>"},
        redacted=True,
    )
    assert Records(REDACTOR)(replace(DECIDED, arguments=5)) == replace(
        DECIDED, tool="<A> <R> <B>", arguments=5, reason="<A> <R> <B>", hint="<A> <R> <B>", facts={"/x": "<A> <R> <B>"}
    )
    assert Records(REDACTOR)(
        replace(DECIDED, rule=SECRET, trials=(Trial(SECRET, Effect.ASK),), tool="t", arguments="{}", reason="", hint=None, facts={})
    ) == replace(DECIDED, rule=KEY, trials=(Trial(KEY, Effect.ASK),), tool="t", arguments="{}", reason="", hint=None, facts={})


def test_an_event_without_anything_to_redact_is_the_same_object() -> None:
    """So that nobody pays for it."""
    records = Records(REDACTOR)
    clean = ModelReplied(
        at=START, step=1, message={"content": "x", "tool_calls": [{"id": "c"}]}, usage=Usage(1, 2), messages=({"role": "user"},)
    )
    for event in (
        clean,
        replace(DECIDED, tool="t", arguments="{}", reason="", hint=None, facts={}),
        ToolReturned(call_id="c", executed=True, ok=True, content="x", original=Original(3, "bbb")),
    ):
        assert records(event) is event


def test_a_result_is_redacted_as_one() -> None:
    """Digests of what is not there stay."""
    event = ToolReturned(at=START, call_id="c", executed=True, ok=True, content=SAID, original=Original(3, "bbb"))
    assert Records(REDACTOR)(event) == replace(event, content="aaa <R> <B>")


def test_an_answer_says_that_it_is_not_what_the_model_said() -> None:
    """Its calls keep the ids that they have everywhere else."""
    records = Records(REDACTOR)
    function = {"name": "t", "arguments": SAID}
    message: dict[str, Json] = {
        "role": "assistant",
        "content": SAID,
        "tool_calls": [{"id": "bbb-1", "function": function}, {"id": "bbb-2"}, {}, 5],
    }
    user = ({"role": "user", "content": SAID}, {"role": "user", "content": "x"})
    event = ModelReplied(at=START, step=1, message=message, finish_reason="bbb", unusable=SAID, items=(SAID, "x"), messages=user)
    kept = records(event)
    assert kept == replace(
        event,
        message={
            "role": "assistant",
            "content": "<A> <R> <B>",
            "tool_calls": [{"id": "<B>-1 1", "function": {"name": "t", "arguments": "<A> rrr <B>"}}, {"id": "<B>-2 2"}, {}, 5],
        },
        unusable="<A> <R> <B>",
        items=("<A> <R> <B>", "x"),
        messages=({"role": "user", "content": "<A> <R> <B>"}, {"role": "user", "content": "x"}),
        redacted=True,
    )
    again = records(ToolReturned(call_id="bbb-2", executed=True, ok=True, content=""))
    assert isinstance(again, ToolReturned)
    assert again.call_id == "<B>-2 2"


def test_different_ids_stay_different() -> None:
    """Two that are redacted alike, and one that looks like what another became; an id that is no text is redacted as a value."""
    records = Records(REDACTOR)

    def kept(call_id: Json) -> Json:
        event = records(ToolReturned(call_id=call_id, executed=True, ok=True, content=""))
        assert isinstance(event, ToolReturned)
        return event.call_id

    assert [kept(one) for one in ("plain", "aaa", "rrr", "<A> 1", "aaa", "plain")] == [
        "plain",
        "<A> 1",
        "<R> 2",
        "<A> 1 3",
        "<A> 1",
        "plain",
    ]
    assert kept(["bbb"]) == ["<B>"]


def test_what_the_operator_wrote_stays() -> None:
    """Policies, tools, models and roles; known secrets are taken out of them too."""
    started = RunStarted(
        at=START,
        run_id="bbb",
        agentgate="bbb",
        task=Digest("bbb", "bbb"),
        policy=PolicyDigest("bbb", "bbb", (Digest(SECRET, SECRET),)),
        role="bbb",
        model="bbb",
        tools=({"description": SAID}, {"description": SECRET}),
        tool_choice="bbb",
        workdir="bbb",
        messages=({"role": "user", "content": SAID},),
    )
    assert Records(REDACTOR)(started) == replace(
        started,
        policy=PolicyDigest("bbb", "bbb", (Digest(KEY, SECRET),)),
        tools=({"description": SAID}, {"description": KEY}),
        messages=({"role": "user", "content": "<A> <R> <B>"},),
    )
    offer = ModelReplied(at=START, step=1, message={}, offered=Offer(({"description": SAID},), "bbb"))
    assert Records(REDACTOR)(offer) is offer


def test_those_who_approve_see_the_call_without_what_opens_something() -> None:
    """In its arguments as they were written and as they were read, and in the reason."""
    call = ToolCall("c", "t", f'{{"x": "{SECRET} y"}}')
    decision = Decision(Effect.ASK, Code.RULE, "r", f"because {SECRET}", "go on", {"x": f"{SECRET} y"})
    shown = replace(decision, reason=f"because {KEY}", arguments={"x": f"{KEY} y"})
    assert for_approver(REDACTOR, call, decision) == (replace(call, arguments=f'{{"x": "{KEY} y"}}'), shown)


def test_what_is_passed_on_is_what_was_redacted() -> None:
    """Event by event, with one redactor for all of them."""
    recorded: list[Event] = []
    record = redacting(recorded.append, REDACTOR)
    events = [ToolReturned(at=START, call_id=call_id, executed=True, ok=True, content=SAID) for call_id in ("aaa", "<A> 1")]
    for event in events:
        record(event)
    one = Records(REDACTOR)
    assert recorded == [one(event) for event in events]
    assert "rrr" not in str(recorded)


def test_what_cannot_be_redacted_says_what_follows() -> None:
    """Which kind of error it was, and that nothing is executed."""
    with pytest.raises(RecordError, match=r"^an event cannot be redacted: TypeError$") as refused:
        redacting(lambda event: None, REDACTOR)(ModelReplied(step=1, message={"content": b"x"}))
    assert refused.value.help == "nothing is executed that cannot be recorded"


def test_what_is_no_text_keeps_its_type() -> None:
    """Numbers, words of ours and truth, whatever a pattern says; a number in the place of arguments is looked at."""
    greedy = Records(Redactor([Redaction(id="x", pattern="12|allow|rule|true|True", replace="*")]))
    event = replace(DECIDED, step=12, arguments=12)
    assert greedy(event) == replace(event, arguments="*", redacted=True)
