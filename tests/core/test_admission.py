"""What the model gets of a result, to the letter."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from msgspec.structs import replace

from agentgate.core.admission import Admitted, admitted
from agentgate.core.events import Code, Original, ResultEffect, ResultTrial
from agentgate.core.policy import Redaction
from agentgate.core.redaction.redactor import Redactor
from agentgate.core.verdict import PASSES, Verdict

TRIALS = (ResultTrial("tried", ResultEffect.BLOCK),)
BLOCKS = Verdict(ResultEffect.BLOCK, "b", "bécause", "ask Ann", Code.RESULT_BLOCKED, trials=TRIALS)
CUTS = Verdict(ResultEffect.CUT, "c", "too long", None, Code.RESULT_CUT, 4, TRIALS)
SECRET = Redactor((Redaction(id="s", pattern="secret", replace="*"),))
LONG = '{"ok":true,"tool":"t","result":"äöü and more"}'
BROKEN = '{"ok":false,"error":"äöü and more"}'


def original(text: str) -> Original:
    """By its size and digest."""
    return Original(len(text.encode("utf-8", "surrogatepass")), sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


BLOCKED = '{"ok": false, "error": "bécause", "code": "result_blocked", "rule": "b", "hint": "ask Ann"}'
CUT = '{"ok": true, "tool": "t", "result": "äö", "truncated": true}'
PART = '{"ok": false, "error": "äö", "truncated": true}'


@pytest.mark.parametrize(
    ("verdict", "content", "redactor", "expected"),
    [
        (PASSES, LONG, None, Admitted(LONG, True, PASSES)),
        (PASSES, '{"result":"a secret"}', SECRET, Admitted('{"result":"a *"}', True, PASSES)),
        (BLOCKS, LONG, None, Admitted(BLOCKED, False, BLOCKS, original=original("äöü and more"))),
        (BLOCKS, '{"result":[1, "ä"]}', None, Admitted(BLOCKED, False, BLOCKS, original=original('[1, "ä"]'))),
        (BLOCKS, "no JSON", None, Admitted(BLOCKED, False, BLOCKS, original=original("no JSON"))),
        (BLOCKS, "\ud800", None, Admitted(BLOCKED, False, BLOCKS, original=original("\ud800"))),
        (replace(BLOCKS, enforced=False), LONG, None, Admitted(LONG, True, replace(BLOCKS, enforced=False))),
        (CUTS, LONG, None, Admitted(CUT, True, CUTS, True, original("äöü and more"))),
        (replace(CUTS, enforced=False), LONG, None, Admitted(LONG, True, replace(CUTS, enforced=False))),
        (replace(CUTS, max_bytes=None), LONG, None, Admitted(LONG, True, replace(CUTS, max_bytes=None))),
        (CUTS, '{"result":"secret"}', SECRET, Admitted('{"result":"*"}', True, Verdict(ResultEffect.ALLOW, trials=TRIALS))),
        (CUTS, '{"result":"1234"}', None, Admitted('{"result":"1234"}', True, Verdict(ResultEffect.ALLOW, trials=TRIALS))),
        (
            CUTS,
            '{"result":[1, "äö"]}',
            None,
            Admitted('{"result": "[1, ", "truncated": true}', True, CUTS, True, original('[1, "äö"]')),
        ),
    ],
)
def test_what_the_model_gets(verdict: Verdict, content: str, redactor: Redactor | None, expected: Admitted) -> None:
    """All of it, a part of it, or why not; and what it was instead."""
    assert admitted(verdict, content, redactor) == expected


def test_a_failure_stays_one() -> None:
    """Whole, cut, or made short enough by what was redacted."""
    assert admitted(PASSES, BROKEN, None, ok=False) == Admitted(BROKEN, False, PASSES)
    assert admitted(CUTS, BROKEN, None, ok=False) == Admitted(PART, False, CUTS, True, original("äöü and more"))
    assert admitted(CUTS, '{"error":"secret"}', SECRET, ok=False).ok is False


def test_a_large_result_can_be_cut_too() -> None:
    """Larger than the arguments of a call may be."""
    content = json.dumps({"result": "x" * 2_000_000})
    assert json.loads(admitted(CUTS, content, None).content)["result"] == "xxxx"
