"""Calls that a person must decide: asked about once, answered by somebody with another key, and then let through once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.core.building import policy, rule
from tests.gateway.serving import KEY, Response, Served
from tests.scripted_server import ScriptedServer, call, chat

ON = policy(rule("allow", "read"), rule("ask", "send"))
APPROVER = "a" * 24
ENVIRON = {"AGENTGATE_EVENTS_KEY": KEY, "AGENTGATE_APPROVALS_KEY": APPROVER}


def sends(*amounts: int) -> list[Any]:
    return [chat(calls=[call("send", {"amount": amount}, id=f"call_{number}")]) for number, amount in enumerate(amounts)]


def reply(gateway: Served, id: str, decision: str = "approve", key: str = APPROVER, **more: Any) -> Response:
    return gateway.send("POST", f"/v1/approvals/{id}", {"decision": decision, **more}, {"authorization": f"Bearer {key}"})


def waiting(gateway: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.send("GET", "/v1/approvals", headers={"authorization": f"Bearer {APPROVER}"}).body["approvals"]
    return found


@pytest.mark.parametrize("session", [None, "a"])
def test_an_approved_call_passes_once(tmp_path: Path, session: str | None) -> None:
    """The same call with the same arguments: refused, approved, let through, and asked about again."""
    with ScriptedServer(*sends(5, 5, 5)) as upstream, Served(tmp_path, upstream, ON, environ=ENVIRON) as gateway:
        asked = gateway.ask(session=session)
        assert (asked.status, asked.error["code"], asked.error["policy"]) == (409, "approval_required", "ask-send")
        assert reply(gateway, asked.error["approval"], note="fine").status == 200
        assert gateway.ask(session=session).status == 200
        again = gateway.ask(session=session)
        assert again.status == 409
        assert again.error["approval"] != asked.error["approval"]


def test_other_arguments_are_another_question(tmp_path: Path) -> None:
    """An approval is bound to them."""
    with ScriptedServer(*sends(5, 500)) as upstream, Served(tmp_path, upstream, ON, environ=ENVIRON) as gateway:
        assert reply(gateway, gateway.ask().error["approval"]).status == 200
        assert gateway.ask().status == 409


def test_another_session_is_another_question(tmp_path: Path) -> None:
    """An approval is bound to that too."""
    with ScriptedServer(*sends(5, 5, 5)) as upstream, Served(tmp_path, upstream, ON, environ=ENVIRON) as gateway:
        assert reply(gateway, gateway.ask(session="a").error["approval"]).status == 200
        assert [gateway.ask(session=name).status for name in ("b", "a")] == [409, 200]


def test_an_open_question_is_not_put_twice(tmp_path: Path) -> None:
    """A client that tries again gets the same id."""
    with ScriptedServer(*sends(5, 5)) as upstream, Served(tmp_path, upstream, ON, environ=ENVIRON) as gateway:
        assert gateway.ask().error["approval"] == gateway.ask().error["approval"]
        (question,) = waiting(gateway)
        assert (question["tool"], question["arguments"], question["state"]) == ("send", '{"amount": 5}', "pending")


def test_a_rejected_call_is_blocked(tmp_path: Path) -> None:
    """And nobody is asked again."""
    with ScriptedServer(*sends(5, 5)) as upstream, Served(tmp_path, upstream, ON, environ=ENVIRON) as gateway:
        assert reply(gateway, gateway.ask().error["approval"], "reject").status == 200
        got = gateway.ask()
        assert (got.status, got.error["code"], "a person rejected it" in got.error["message"]) == (409, "tool_blocked", True)
        assert waiting(gateway) == []


def test_an_approval_is_not_used_up_by_a_withheld_answer(tmp_path: Path) -> None:
    """Where another call of the answer is blocked."""
    both = chat(calls=[call("send", {"amount": 5}), call("delete", id="call_2")])
    with ScriptedServer(*sends(5), both, *sends(5)) as upstream, Served(tmp_path, upstream, ON, environ=ENVIRON) as gateway:
        assert reply(gateway, gateway.ask().error["approval"]).status == 200
        assert [gateway.ask().status for _ in range(2)] == [409, 200]


def test_one_approval_lets_one_call_through(tmp_path: Path) -> None:
    """Not two of the same in one answer."""
    both = chat(calls=[call("send", {"amount": 5}), call("send", {"amount": 5}, id="call_2")])
    with ScriptedServer(*sends(5), both, both) as upstream, Served(tmp_path, upstream, ON, environ=ENVIRON) as gateway:
        assert reply(gateway, gateway.ask().error["approval"]).status == 200
        again = gateway.ask()
        assert again.status == 409
        assert reply(gateway, again.error["approval"]).status == 200
        assert gateway.ask().status == 200


def test_only_the_key_for_approvals_answers(tmp_path: Path) -> None:
    """Neither the one for events nor that of clients: an application must not approve its own calls."""
    with ScriptedServer(*sends(5)) as upstream, Served(tmp_path, upstream, ON, environ={**ENVIRON, "K": "c" * 24}, key_env="K") as gateway:
        id = gateway.ask(headers={"authorization": f"Bearer {'c' * 24}"}).error["approval"]
        assert [reply(gateway, id, key=key).status for key in (KEY, "c" * 24, "", APPROVER)] == [401, 401, 401, 200]
    with ScriptedServer() as upstream, Served(tmp_path, upstream, ON) as gateway:
        assert reply(gateway, "apr_1").status == 403


def test_answers_are_understood_or_refused(tmp_path: Path) -> None:
    """No word but two, and no question twice."""
    with ScriptedServer(*sends(5)) as upstream, Served(tmp_path, upstream, ON, environ=ENVIRON) as gateway:
        id = gateway.ask().error["approval"]
        assert reply(gateway, id, "yes").status == 400
        assert reply(gateway, "apr_unknown").status == 404
        assert [reply(gateway, id).status for _ in range(2)] == [200, 404]
