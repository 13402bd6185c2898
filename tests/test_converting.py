"""Any policy in the native form says the same as before; where it would not, nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from agentgate.comparing import compare, stories
from agentgate.converting import Converted, NotTheSame, convert
from agentgate.core.policy import Condition, Limit, Policy, Rule
from agentgate.files.policy_file import load_policy
from agentgate.files.renaming import native_ids
from tests.core.building import limit, policy, rule
from tests.reference.cases import Case, Happening, Proposal, play, random_case
from tests.sayable import TOO_LARGE, sayable

DATA = Path(__file__).parent / "data" / "policies"
FILES = sorted((*DATA.glob("flat/*.yaml"), *DATA.glob("good/*.yaml"), *(Path(__file__).parents[1] / "policies").glob("*.yaml")))
POLICIES = [path for path in FILES if not path.name.endswith(".test.yaml")]


def read(made: Converted) -> Policy:
    """What was written, loaded."""
    return load_policy("-", stdin=BytesIO(made.text.encode()))


def flat(*entries: str) -> Policy:
    """A policy of the flat form with these entries."""
    return load_policy("-", stdin=BytesIO(f"policies: [{', '.join(f'{{{entry}}}' for entry in entries)}]".encode()))


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_files_are_converted(path: Path) -> None:
    """Every policy of ours, with nothing renamed, and converting once more changes nothing but what is said at the head."""
    made = convert(load_policy(str(path)))
    assert made.compared > 10
    assert made.renamed == {}
    again = convert(read(made))
    assert [line for line in again.text.splitlines() if line[:1] != "#"] == [line for line in made.text.splitlines() if line[:1] != "#"]


@pytest.mark.parametrize("block", range(4))
def test_random_policies_are_converted(block: int) -> None:
    """What is read again decides random calls after random histories as before, but for new ids of limits."""
    for seed in range(block * 20, block * 20 + 20):
        case = random_case(Random(seed))
        before = sayable(case.policy)
        made = convert(before)
        after = read(made)
        script = tuple(_renamed(happening, made.renamed) for happening in case.script)
        for one, other in zip(play(Case(before, case.setting, case.script)), play(Case(after, case.setting, script)), strict=True):
            said, also = one.decision, other.decision
            reason = said.reason
            for old, new in made.renamed.items():
                reason = reason.replace(f"`{old}`", f"`{new}`")
            assert (also.effect, also.code, also.reason, also.hint) == (said.effect, said.code, reason, said.hint), seed
            assert also.rule == made.renamed.get(said.rule or "", said.rule), seed


def _renamed(happening: Happening, renamed: Mapping[str, str]) -> Happening:
    """The same, with what was recorded about limits under their new ids."""
    if not isinstance(happening, Proposal):
        return happening
    return replace(happening, facts={renamed.get(id, id): fact for id, fact in happening.facts.items()})


def test_several_files_become_one() -> None:
    """With a word on where each rule comes from."""
    made = convert(load_policy(*(str(DATA / "flat" / f"{name}.yaml") for name in ("firewall", "sql-arguments", "session-cost"))))
    assert "  # from firewall.yaml\n  - id: agent-tool-blocklist\n" in made.text
    assert "  # from sql-arguments.yaml\n  - id: block-sql-injection-in-tools\n" in made.text
    assert "cost_usd: {max: 5.00, id: session-cost-cap, message: Session cost limit exceeded}" in made.text


def test_names_that_are_no_ids_are_renamed_and_it_is_said() -> None:
    """Decisions then name the new id, in the sentence too."""
    made = convert(flat("name: Block SQL, type: tool_filter, blocked_tools: [sql]", "name: Few Calls, type: budget, max_tool_calls: 0"))
    assert made.renamed == {"Block SQL": "block-sql", "Few Calls": "few-calls"}
    assert "  # was called `Block SQL`\n  - id: block-sql\n" in made.text


def test_new_ids_keep_the_order_of_the_old_ones() -> None:
    """Of two rules that match, the same one speaks as before."""
    names = ["Zap", "alpha", "Beta", "beta", "_x", "default", "0", "ÄÖ", "中文", "中", "a b", "a-b"]
    before = flat(*(f"name: '{name}', type: tool_filter, blocked_tools: [x]" for name in names if name != "default"))
    made = convert(before)
    ids = native_ids(before)
    assert sorted(ids) == sorted(ids, key=lambda old: ids[old])
    assert len(set(ids.values())) == len(ids)
    assert read(made).rules[0].tools == ("x",)


def test_without_room_between_the_ids_all_are_numbered() -> None:
    """`a!b` stands between `a` and `a-b`, where no id of its own has room."""
    ids = native_ids(policy(*(rule("block", "x", id=id) for id in ("0", "0!", "0-0"))))
    assert sorted(ids) == sorted(ids, key=lambda old: ids[old])


def test_what_can_never_decide_is_left_out_and_it_is_said() -> None:
    """A list of no tools, and a limit that another one always reaches first."""
    made = convert(
        flat(
            "name: none, type: tool_filter, blocked_tools: []",
            "name: high, type: budget, max_tokens: 9",
            "name: low, type: budget, max_tokens: 5, message: enough",
        )
    )
    assert made.dropped == ("Left out: `none` names no tools.", "Left out: `high` (tokens 9); `low` is always reached first.")
    assert [(one.id, one.value, one.message) for one in read(made).limits] == [("low", 5, "enough")]


def test_what_the_native_form_cannot_say_is_kept_back() -> None:
    """Two conditions on one argument, made in Python, decide otherwise when the second takes the place of the first."""
    twice = policy(rule("allow", "read", when={"a": {"min": 1}}))
    both = replace(twice, rules=(replace(twice.rules[0], when=(*twice.rules[0].when, Condition("a", (("max", 5),)))),))
    with pytest.raises(NotTheSame, match="would decide otherwise") as caught:
        convert(both)
    assert caught.value.exit_code == 1
    with pytest.raises(NotTheSame, match="cannot say this"):
        convert(policy(rule("allow", "read", when={"a": TOO_LARGE})))


CHANGES: list[tuple[Rule | Limit, Rule | Limit]] = [
    (rule("allow", "read"), rule("allow", "read_all")),
    (rule("block", "read", id="r"), rule("ask", "read", id="r")),
    (rule("block", "*", except_tools=("read",)), rule("block", "*")),
    (rule("block", "read", message="no"), rule("block", "read")),
    (rule("block", "read", hint="else"), rule("block", "read")),
    (rule("block", "read", observe=True), rule("allow", "unheard")),
    (rule("block", "read", roles=("viewer",)), rule("block", "read")),
    (rule("block", "read", except_roles=("viewer",)), rule("block", "read")),
    (rule("block", "read", after=("get",)), rule("block", "read")),
    (rule("block", "read", before=("get",)), rule("block", "read")),
    (rule("block", "read", when={"a": {"search": "x"}}), rule("block", "read", when={"a": {"search": "(?i)x"}})),
    (rule("block", "read", when={"a": {"search": "x"}}), rule("block", "read", when={"a": {"matches": "x"}})),
    (rule("block", "read", when={"a": {"min": 5}}), rule("block", "read", when={"a": {"min": 6}})),
    (rule("block", "read", when={"a": {"equals": 1}}), rule("block", "read", when={"a": {"equals": True}})),
    (rule("block", "read", when={"a": {"equals": "x", "optional": True}}), rule("block", "read", when={"a": "x"})),
    (rule("block", "read", unless={"a": {"seen_in": "prompt"}}), rule("block", "read")),
    (rule("block", "read", unless={"a": {"seen_in": ["get"]}}), rule("block", "read", unless={"a": {"seen_in": "prompt"}})),
    *((limit(kind, 3), limit(kind, 4)) for kind in ("steps", "tool_calls", "tokens", "cost_usd", "seconds", "repeats", "refusals")),
    (limit("tokens", 50_000), limit("tokens", 50_001)),
    (limit("cost_usd", 5.0), limit("cost_usd", 5.5)),
    (limit("calls", 2, "send"), limit("calls", 2, "sent")),
    (limit("tokens", 5, message="enough"), limit("tokens", 5)),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_the_comparison_notices_changes(before: Rule | Limit, after: Rule | Limit) -> None:
    """Any one of them leads to a call or request that is decided otherwise, so a comparison that finds nothing means something."""
    roles: dict[str, tuple[str, ...]] = {"viewer": ()}
    first, second = (policy(rule("ask", "get"), one, default="allow", roles=roles) for one in (before, after))
    count, difference = compare(first, second, lambda one, other: one == other)
    assert difference is not None, f"{count} compared"
    assert compare(first, first, lambda one, other: one == other)[1] is None


def test_a_large_policy_is_compared_in_bounded_time() -> None:
    """Each rule has its share of the calls."""
    many = policy(*(rule("block", f"tool_{number}", when={"a": {"search": "x"}}) for number in range(3000)))
    assert 3000 <= sum(1 for _ in stories(many)) <= 12_000
