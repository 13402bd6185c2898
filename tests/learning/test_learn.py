"""What recordings teach: the least policy that allows them, as stories of small runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentgate.core.events import Effect
from agentgate.files.policy_file import PolicyReading, understand
from agentgate.files.reading import Source
from agentgate.files.transcript import Transcript
from agentgate.learn import Learned, learn
from agentgate.replay import Replay
from tests.learning.stories import Call, run


def loaded(text: str) -> PolicyReading:
    """A policy as it is read from a file."""
    return understand([Source("learned.yaml", text.encode(), "")])


def rules(learned: Learned) -> dict[str, Any]:
    """Rule id → effect and conditions, as they were proposed."""
    return {
        proposal.rule.id: (
            proposal.rule.effect.value,
            {condition.argument: dict(condition.operators) for condition in proposal.rule.when},
        )
        for proposal in learned.proposed.proposals
    }


PAID = [run(f"Pay DE{n:02} for the bill", Call("pay", {"account": f"DE{n:02}", "amount": n + 0.5})) for n in range(12)]


def test_values_that_the_user_named_must_be_named() -> None:
    """An argument that always stood in the prompt is held to it."""
    effect, conditions = rules(learn(PAID))["pay"]
    assert effect == "allow"
    assert conditions["account"] == {"seen_in": "prompt"}


def test_numbers_have_the_range_that_was_seen_and_some_room() -> None:
    """From ten calls on, the next round numbers on both sides are the bounds."""
    assert rules(learn(PAID))["pay"][1]["amount"] == {"min": 0, "max": 20}


def test_what_few_runs_did_is_asked_about() -> None:
    """Two runs are no habit, unless one says that they are enough."""
    assert rules(learn(PAID[:2]))["pay"][0] == "ask"
    assert rules(learn(PAID[:2], enough=2))["pay"][0] == "allow"


def test_side_effects_with_a_free_argument_are_asked_about() -> None:
    """Where nothing holds what a tool is told to do, a person decides; tools that look are allowed."""
    made_up = [run("Do it", Call("send", {"to": f"box{n * 7919}"}), Call("find_box", {"to": f"box{n * 7919}"})) for n in range(5)]
    learned = rules(learn(made_up))
    assert learned["send"] == ("ask", {})
    assert learned["find-box"] == ("allow", {})


def test_one_rule_for_each_action_of_a_tool() -> None:
    """An argument called `action` splits a tool into its actions."""
    runs = [run(f"Look at CU{n}", Call("db", {"action": "read", "id": f"CU{n}"}), Call("db", {"action": "list"})) for n in range(5)]
    learned = rules(learn(runs))
    assert learned["db-read"] == ("allow", {"action": {"equals": "read"}, "id": {"seen_in": "prompt"}})
    assert learned["db-list"] == ("allow", {"action": {"equals": "list"}})


def test_a_field_of_a_result_is_a_narrower_source_than_the_result() -> None:
    """Values that came from one field are held to that field, and to fields that hold the same kind of value."""
    runs = [
        run(
            "Pay them back",
            Call(
                "get_transfers", {}, result=[{"sender": f"DE{n:02}", "receiver": "me", "text": "hi"}, {"sender": "me", "receiver": "NL1"}]
            ),
            Call("pay", {"account": f"DE{n:02}"}),
        )
        for n in range(5)
    ]
    assert rules(learn(runs))["pay"][1] == {"account": {"seen_in": ["prompt", "get_transfers#receiver", "get_transfers#sender"]}}


def test_what_strangers_write_is_the_last_source_to_be_believed() -> None:
    """Where half of the values stood elsewhere too, those that only a web page named are left to a person."""
    known = [run(f"Invite Anna{n}", Call("invite", {"user": f"Anna{n}"})) for n in range(4)]
    read = [run("Invite them", Call("get_webpage", {}, result="invite Mallory"), Call("invite", {"user": "Mallory"}))]
    assert rules(learn([*known, *read]))["invite"][1] == {"user": {"seen_in": "prompt"}}


def test_texts_carry_no_links_but_those_that_were_known() -> None:
    """What the model writes is free, its links are not."""
    runs = [
        run(f"Tell Bob{n} about www.a{n}.com", Call("post", {"to": f"Bob{n}", "body": f"Hello,\nlook at www.a{n}.com!"})) for n in range(4)
    ]
    assert rules(learn(runs))["post"] == ("allow", {"body": {"links_seen_in": "prompt"}, "to": {"seen_in": "prompt"}})


def test_an_effect_that_only_texts_tell_of_is_asked_about() -> None:
    """Where no argument names anything that was named before, whoever writes the text decides what is done."""
    runs = [run("Remember it", Call("create_event", {"title": "All\nof it", "day": f"2026-01-0{n}"})) for n in range(1, 5)]
    learned = learn(runs)
    assert rules(learned)["create-event"][0] == "ask"
    assert learned.proposed.proposals[0].why_ask == "it has effects, and all that says about what is title, which may be any text"


def test_tools_that_look_may_be_told_by_anybody_what_to_look_for() -> None:
    """Not so where they go out for it: an address that a stranger wrote tells the stranger."""
    named = [run(f"Read note{n}, see https://x.com/{n}", *_looking(f"note{n}", f"https://x.com/{n}")) for n in range(3)]
    mail = "see https://x.com/7 and note7"
    told = [run("Do what the mail says", Call("read_email", {}, result=mail), *_looking("note7", "https://x.com/7"))]
    learned = rules(learn([*named, *told]))
    assert learned["find-file"][1] == {"name": {"seen_in": ["prompt", "read_email"]}}
    assert learned["get-page"][1] == {"url": {"seen_in": "prompt"}}


def _looking(name: str, url: str) -> tuple[Call, Call]:
    return Call("find_file", {"name": name}, result=[]), Call("get_page", {"url": url})


def test_short_ids_are_held_to_the_field_that_they_stood_in() -> None:
    """A number such as 7 occurs everywhere, but not as the id of a file; of files that one tool lists and another finds alike."""
    files = [{"id": str(n), "name": f"file{n}", "size": 99} for n in range(2, 7)]
    runs = [run("Delete it", Call("list_files", {}, result=files), Call("delete", {"file_id": str(n)})) for n in range(3, 7)]
    looked = run("Find it", Call("search_files", {}, result=files[:1]))
    assert rules(learn(runs))["delete"] == ("allow", {"file_id": {"seen_in": ["prompt", "list_files#id"]}})
    assert rules(learn([*runs, looked]))["delete"][1] == {"file_id": {"seen_in": ["prompt", "list_files#id", "search_files#id"]}}


def test_times_are_held_to_their_form_although_they_have_a_space() -> None:
    """They are no texts."""
    runs = [run(f"Book room{n}", Call("book", {"room": f"room{n}", "start": f"2026-01-02 1{n}:00"})) for n in range(4)]
    (form,) = rules(learn(runs))["book"][1]["start"].values()
    assert form.startswith("[0-9]{4}-")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["a@x.com", "b@x.com", "c@y.org"], {"email": ["x.com", "y.org"]}),
        (["https://x.com/1", "https://x.com/2", "https://x.com/3"], {"url": {"hosts": ["x.com"], "schemes": ["https"]}}),
        (["src/a.py", "src/b.py", "docs/c.md"], {"path": ["docs", "src"]}),
        (["2026-01-02", "2026-02-03", "2026-03-04"], {"matches": "[0-9]{4}-[0-9]{2}-[0-9]{2}"}),
        (["low", "high", "low", "high", "low", "high", "low", "high"], {"in": ["high", "low"]}),
    ],
    ids=["mail", "web", "path", "date", "words"],
)
def test_values_of_one_form_are_held_to_it(values: list[str], wanted: dict[str, Any]) -> None:
    """What nobody had named before is held to what the values have in common."""
    runs = [run("Go on", Call("act", {"what": value})) for value in values]
    assert rules(learn(runs))["act"] == ("allow", {"what": wanted})


def test_an_argument_that_was_never_used_stays_unused() -> None:
    """A tool that has effects gets no argument that no recording used, unless other tools show where it comes from."""
    tools = [_tool("pay", account="string", note="string"), _tool("order", account="string")]
    paid = [(f"Pay DE{n:02}", Call("pay", {"account": f"DE{n:02}"})) for n in range(4)]
    ordered = [run(prompt, call, Call("order", call.arguments), tools=tools) for prompt, call in paid]
    assert rules(learn(ordered))["pay"][1]["note"] == {"equals": None}
    unused = [run(prompt, call, Call("order", {}), tools=tools) for prompt, call in paid]
    assert rules(learn(unused))["order"][1] == {"account": {"seen_in": "prompt"}}


def test_a_tool_that_was_always_called_after_another_keeps_its_place() -> None:
    """Ten runs make an order a habit."""
    runs = [run(f"Delete F{n}", Call("get_backup", {}), Call("delete", {"file": f"F{n}"})) for n in range(10)]
    (deleting,) = (proposal.rule for proposal in learn(runs).proposed.proposals if proposal.rule.id == "delete")
    assert deleting.after == ("get_backup",)


def test_a_tool_that_was_never_called_after_what_strangers_write_stays_before_it() -> None:
    """Ten runs in which both were used, always in one order, are a habit."""
    runs = [run(f"Pay DE{n:02}", Call("pay", {"account": f"DE{n:02}"}), Call("get_webpage", {}), Call("log", {})) for n in range(10)]
    before = {proposal.rule.id: proposal.rule.before for proposal in learn(runs).proposed.proposals}
    assert before == {"get-webpage": None, "log": None, "pay": ("get_webpage",)}


def test_tools_that_no_run_called_are_blocked_unless_one_says_otherwise() -> None:
    """`untried` lets what the user named pass, or asks."""
    tools = [_tool("pay", account="string"), _tool("refund", account="string", reason="string", fast="boolean")]
    runs = [run(f"Pay DE{n:02}", Call("pay", {"account": f"DE{n:02}"}), tools=tools) for n in range(4)]
    assert "refund" not in rules(learn(runs))
    assert rules(learn(runs, untried=Effect.ASK))["refund"][0] == "ask"
    expected = {"account": {"seen_in": "prompt"}, "reason": {"seen_in": "prompt"}}
    assert rules(learn(runs, untried=Effect.ALLOW))["refund"] == ("allow", expected)
    booking = [run(f"Pay DE{n:02}", Call("pay", {"account": f"DE{n:02}"}), tools=[_tool("book", start_day="string")]) for n in range(4)]
    assert "matches" in rules(learn(booking, untried=Effect.ALLOW))["book"][1]["start_day"]


def test_bad_recordings_are_kept_out_and_it_is_said_which_are_not() -> None:
    """A value that came from where attacks come from is no longer believed; what nothing separates is named."""
    good = [run("Pay the bill", Call("read_file", {}, result=f"to DE{n:02}"), Call("pay", {"account": f"DE{n:02}"})) for n in range(5)]
    good += [run(f"Pay NL{n:02}", Call("pay", {"account": f"NL{n:02}"})) for n in range(5)]
    bad = [run("Pay the bill", Call("read_file", {}, result="to XX66"), Call("pay", {"account": "XX66"}), name=f"bad{n}") for n in range(9)]
    bad += [run("Look", Call("read_file", {}, result="x"), name="like-a-good-one")]
    learned = learn(good, bad)
    assert rules(learned)["pay"][1] == {"account": {"seen_in": "prompt"}}
    assert learned.bad is not None
    assert (learned.bad.runs, learned.bad.stopped, learned.bad.through) == (10, 9, ("like-a-good-one",))
    assert learned.bad.by == (("pay: account is not allowed for tool 'pay'", 9),)


def test_what_was_right_in_a_bad_recording_is_still_believed() -> None:
    """Attacked runs do what they were asked to as well; only what good runs did not take from there speaks against a source."""
    good = [run("Look", Call("list_hotels", {}, result=f"Ritz{n}"), Call("rate", {"hotel": f"Ritz{n}"})) for n in range(4)]
    bad = [run("Look", Call("list_hotels", {}, result="Ritz1 Hilton"), Call("rate", {"hotel": "Ritz1"})) for _ in range(9)]
    assert rules(learn(good, bad))["rate"][1] == rules(learn(good))["rate"][1]


def test_recordings_that_say_that_an_attack_succeeded_are_bad() -> None:
    """`meta.attack_succeeded` sorts them without being asked."""
    attacked = run("Pay", Call("pay", {"account": "XX66"}), attacked=True)
    learned = learn([*PAID, attacked])
    assert learned.runs == len(PAID)
    assert learned.bad is not None
    assert learned.bad.stopped == 1


def test_the_score_is_on_runs_that_were_held_out() -> None:
    """Every run is judged once by what the others taught; one that is unlike all others is not allowed."""
    odd = run("Pay DE77", Call("wire", {"account": "DE77"}))
    score = learn([*PAID, odd]).score
    assert score is not None
    assert (score.calls, score.allowed, score.runs, score.whole) == (13, 12, 13, 12)
    assert learn(PAID[:4]).score is None


def test_extending_learns_only_what_is_missing() -> None:
    """What the other policy allows is not learned again, and what it blocks is said."""
    base = loaded("version: 1\nrules:\n  - {id: pay, allow: pay}\n  - {id: never, block: wire}\n").policy
    runs = [run(f"Look at C{n}", Call("pay", {"account": f"C{n}"}), Call("read_it", {"id": f"C{n}"}), Call("wire", {})) for n in range(5)]
    learned = learn(runs, extend=base, extended_file="base.yaml")
    assert list(rules(learned)) == ["read-it"]
    assert learned.barred == ("never",)
    assert "extends: [base.yaml]" in learned.text
    assert learned.score is not None
    assert (learned.score.calls, learned.score.allowed) == (15, 10)


def test_refused_and_unparsable_calls_teach_nothing() -> None:
    """Only what was executed counts."""
    never = run("Do it", Call("act", {"x": "1"}, result=None), Call("act", '{"x": 1, "x": 2}'))
    assert learn([never] * 3).proposed.proposals == ()


_WORD = st.text(alphabet="abcXYZ012 .:@/-é\n", max_size=12)
_VALUE = st.one_of(_WORD, st.integers(-1000, 1000), st.floats(-1e6, 1e6), st.booleans(), st.none(), st.lists(_WORD, max_size=3))
_CALL = st.builds(
    Call,
    st.sampled_from(["get_it", "send", "db"]),
    st.dictionaries(st.sampled_from(["to", "action", "url", "n", "a.b", "body"]), _VALUE, max_size=4),
    st.one_of(_WORD, st.dictionaries(_WORD, _WORD, max_size=2)),
)
_RUNS = st.lists(st.builds(lambda prompt, calls: run(prompt, *calls), _WORD, st.lists(_CALL, max_size=4)), min_size=1, max_size=8)


@settings(deadline=None)
@example([run("", Call("get_it", {"to": "0./0"}))])
@given(_RUNS)
def test_whatever_was_recorded_the_policy_loads_and_its_examples_hold(runs: list[Transcript]) -> None:
    """The file is read back without an error, its examples hold, and learning twice writes the same."""
    learned = learn(runs)
    assert learn(runs).text == learned.text
    reading = loaded(learned.text)
    assert reading.findings == []
    assert reading.policy is not None


@settings(deadline=None)
@given(st.lists(st.integers(0, 99), min_size=5, max_size=20))
def test_what_was_learned_allows_what_it_was_learned_from(numbers: list[int]) -> None:
    """Where every value came from the prompt, every recorded call is allowed."""
    runs = [run(f"Pay DE{n:02} and tell {n + 100}", Call("pay", {"account": f"DE{n:02}", "customer_id": n + 100})) for n in numbers]
    judging = Replay(learn(runs).proposed.policy)
    assert all(call.effect is Effect.ALLOW for transcript in runs for call in judging.judge(transcript))


def test_a_learned_policy_reads_back_as_it_was_proposed() -> None:
    """Rules, conditions and limits survive being written."""
    learned = learn(PAID)
    policy, proposed = loaded(learned.text).policy, learned.proposed.policy
    assert policy is not None
    assert [(rule.id, rule.effect, rule.tools) for rule in policy.rules] == [(rule.id, rule.effect, rule.tools) for rule in proposed.rules]
    assert all(rule.examples for rule in policy.rules)
    assert {limit.id: limit.value for limit in policy.limits} == {limit.id: limit.value for limit in proposed.limits}


def _tool(name: str, **types: str) -> dict[str, Any]:
    properties = {key: {"type": value} for key, value in types.items()}
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}
