"""The page of a replay: what flipped, newly allowed first, and nothing in it that a transcript or a policy could bring to life."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import Any

from agentgate.core.policy import Policy
from agentgate.files.transcript import Transcript
from agentgate.files.transcript_reader import Source, read_stream
from agentgate.output.report.replay_page import BEGINNING, replay_page
from agentgate.replay import Replay, Tally
from tests.core.building import policy, rule
from tests.replay.writing import ENDED, chat, decided, native, started

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e{{ 7*7 }}"


def shown(data: bytes, new: Policy, old: Policy | None = None, *, files: Any = ("new.yaml",)) -> str:
    """The page of what these lines come to."""
    replay, tally = Replay(new, old), Tally()
    for found in read_stream(BytesIO(data), Source("runs.jsonl"), {}):
        if isinstance(found, Transcript):
            replay.count(found, tally)
        else:
            tally.damaged.append(found)
    made = datetime(2026, 1, 2, tzinfo=UTC)
    return "".join(replay_page(tally, replay, policy_files=files, seconds=1.5, made=made))


def test_what_flipped() -> None:
    """Newly allowed calls stand first, each group with its deciders, an example and the command that tells why."""
    run = native(
        started(),
        decided("1", "send", '{"to": "a"}', "block"),
        decided("2", "send", '{"to": "b"}', "block"),
        decided("3", "read", "{}", rule="old-rule"),
        ENDED,
    )
    text = shown(run, policy(rule("allow", "send", id="mail"), rule("block", "read", id="no-reading"), rule("ask", "pay", id="pay")))
    assert text.startswith(BEGINNING)
    assert "3 calls from 1 run in 1.50 s" in text
    assert text.index("Newly allowed: 2 calls, look at these first") < text.index("Newly blocked: 1 call")
    assert "2 calls in 1 run" in text
    assert "agentgate explain &#39;runs.jsonl#1&#39; -p new.yaml" in text
    assert 'allow <span class="rule data">old-rule</span> → block <span class="rule data">no-reading' in text
    assert "Rules that decided nothing in this traffic" in text
    assert '<li><code class="data">pay' in text
    assert "1 of 1 run" in text


def test_another_policy_and_nothing_flipped() -> None:
    """The policies are named; a comparison without a flip says so."""
    run = native(started(), decided("1", "read"), ENDED)
    same = policy(rule("allow", "read", id="reads"))
    text = shown(run, same, same)
    assert "against <span" in text
    assert "no decision is another than before" in text


def test_policies_without_files() -> None:
    """A policy from standard input has no name that a command could take."""
    assert "agentgate explain" not in shown(native(started(), decided("1", "x"), ENDED), policy(), files=())


def test_nothing_comes_to_life() -> None:
    """Names, arguments, ids and damaged lines are text; the page forbids everything but its own style sheet."""
    text = shown(
        native(started(run_id=HOSTILE), decided("1", HOSTILE, f'{{"{"k" * 3}": "<img src=x onerror=alert(1)>"}}'), ENDED) + b"{<b>\n",
        policy(rule("allow", "read", id="reads")),
    )
    for sign in ("<script", "<img", "\x1b", "\u202e", "{<b>"):
        assert sign not in text, sign
    assert "{{ 7*7 }}" in text
    (css,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(sha256(css.encode()).digest()).decode()
    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;" in text
    assert not re.search(r"<[^>]*\s(src|href)\s*=", text)


def test_traffic_without_decisions() -> None:
    """Where nobody decided anything, the page says what is decided now."""
    text = shown(chat("hi"), policy(rule("allow", "read", id="reads")))
    assert "0 calls from 1 run" in text
    assert "Newly" not in text
