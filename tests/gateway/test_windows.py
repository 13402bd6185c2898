"""What a gateway counts across requests and sessions: limits per hour and per day, steps on their way, and calls that are made once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentgate.clock import steady_clock
from agentgate.core.events import Mode, Usage
from agentgate.core.policy import Limit, Policy
from agentgate.gateway.hearing import Hearing
from agentgate.gateway.judging import Bench
from agentgate.gateway.metrics import Metrics
from agentgate.gateway.store import SqliteStore
from tests.core.building import limit, policy, rule
from tests.gateway.judged import asked, bench
from tests.gateway.serving import Served
from tests.scripted_server import Answer, Request, ScriptedServer, call, chat, error


def per_hour(kind: str, value: float) -> Limit:
    """A limit over an hour, with the id that a file would give it."""
    return Limit(kind, value, id=f"limits.per_hour.{kind}", window="per_hour")


READ = chat(calls=[call("read")])
BOTH = chat(calls=[call("read"), call("delete", id="call_2")])
HOURLY = policy(rule("allow", ["read", "send"]), rule("ask", "ask"), per_hour("tool_calls", 3))


def priced(on: Policy, price: Callable[[Usage], float] | None = lambda usage: 0.0001 * usage.output_tokens) -> Callable[[], Bench]:
    """A bench by which a token of output costs a hundredth of a cent."""

    def load() -> Bench:
        made = bench(on, Mode.ENFORCE, None, steady_clock())
        return Bench(
            policy=made.policy,
            digest=made.digest,
            mode=made.mode,
            role=None,
            clock=made.clock,
            workdir="/",
            price=lambda model: price if model == "m" else None,
        )

    return load


def used(tokens: int) -> Answer:
    """An answer that took so many tokens."""
    return chat("text", usage={"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1})


def test_a_limit_per_hour_is_shared_by_all_sessions_and_requests(tmp_path: Path) -> None:
    """With and without a session, by two gateways with one store, and after a restart."""
    with ScriptedServer(*[READ] * 6) as upstream:
        with Served(tmp_path, upstream, HOURLY) as one, Served(tmp_path, upstream, HOURLY) as other:
            assert [one.ask(session="a").status, other.ask(session="b").status, one.ask().status] == [200, 200, 200]
            assert other.ask().status == 409
        with Served(tmp_path, upstream, HOURLY) as again:
            got = again.ask(session="c")
            assert (got.status, got.error["code"], got.error["policy"]) == (409, "budget_exceeded", "limits.per_hour.tool_calls")


def test_parallel_requests_of_two_gateways_never_pass_a_limit(tmp_path: Path) -> None:
    """Twenty at once, and exactly three calls are released."""
    with (
        ScriptedServer(*[READ] * 20) as upstream,
        Served(tmp_path, upstream, HOURLY) as one,
        Served(tmp_path, upstream, HOURLY) as other,
    ):
        assert at_once([gateway.ask for gateway in (one, other) for _ in range(10)]) == [200] * 3 + [409] * 17


def test_a_withheld_answer_uses_up_no_limit_over_time(tmp_path: Path) -> None:
    """Nor does one that waits for a person; the application saw none of their calls."""
    asking = chat(calls=[call("ask")])
    with ScriptedServer(BOTH, BOTH, BOTH, asking, READ, READ, READ) as upstream, Served(tmp_path, upstream, HOURLY) as gateway:
        assert [gateway.ask(["read", "delete", "ask"]).status for _ in range(4)] == [409] * 4
        assert [gateway.ask().status for _ in range(3)] == [200] * 3


def test_an_answer_that_was_cut_off_uses_up_nothing(tmp_path: Path) -> None:
    """Its calls are not released, so they count neither for the session nor over time."""
    on = policy(rule("allow", "read"), limit("tool_calls", 1), per_hour("tool_calls", 1))
    cut = chat(calls=[call("read")], finish_reason="length")
    with ScriptedServer(cut, cut, READ) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert [gateway.ask(session="a").status for _ in range(3)] == [409, 409, 200]


def test_the_past_of_a_conversation_is_not_counted_again(tmp_path: Path) -> None:
    """Its calls were counted when they were made; but they still count for the limits of the run."""
    on = policy(rule("allow", "read"), per_hour("tool_calls", 2), limit("tool_calls", 4))
    past: list[object] = [{"role": "user", "content": "x"}]
    for number in range(3):
        past += [
            {"role": "assistant", "content": None, "tool_calls": [call("read", id=f"old_{number}")]},
            {"role": "tool", "tool_call_id": f"old_{number}", "content": "y"},
        ]
    more = [{"role": "assistant", "content": None, "tool_calls": [call("read", id="old_9")]}]
    with ScriptedServer(READ, READ, READ) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert gateway.ask(messages=past).status == 200
        assert gateway.ask(messages=[*past, *more]).error["policy"] == "limits.tool_calls"
        assert gateway.ask(messages=past).status == 200


def test_the_same_call_is_released_once_in_a_session(tmp_path: Path) -> None:
    """Whatever its id; other arguments and other sessions are other calls."""
    on = policy(rule("allow", "send"), once=("send",))
    answers = [chat(calls=[call("send", {"to": to}, id=f"c{number}")]) for number, to in enumerate("aabaa")]
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert gateway.ask(session="a").status == 200
        repeated = gateway.ask(session="a")
        assert (repeated.status, repeated.error["code"], repeated.error["policy"]) == (409, "tool_blocked", "once")
        assert [gateway.ask(session=name).status for name in "abb"] == [200, 200, 409]


def test_the_same_call_twice_in_one_answer_is_released_never(tmp_path: Path) -> None:
    """The second one is a repeat, and one call that is not let through withholds all."""
    on = policy(rule("allow", "send"), once=("send",))
    with ScriptedServer(chat(calls=[call("send"), call("send", id="c2")])) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert gateway.ask().error["policy"] == "once"


def test_what_a_conversation_tells_was_made_is_not_made_again(tmp_path: Path) -> None:
    """Without a session, the messages of the request say what was done."""
    on = policy(rule("allow", "send"), once=("send",))
    past = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [call("send", {"to": "a"}, id="old")]},
        {"role": "tool", "tool_call_id": "old", "content": "sent"},
    ]
    with ScriptedServer(chat(calls=[call("send", {"to": "a"})])) as upstream, Served(tmp_path, upstream, on) as gateway:
        assert gateway.ask(messages=past).error["policy"] == "once"


COSTLY = policy(rule("allow", "read"), per_hour("cost_usd", 0.10))


def test_a_limit_of_cost_per_hour_counts_text_too(tmp_path: Path) -> None:
    """Every answer costs, with a session and without."""
    with ScriptedServer(used(400), used(500), used(300), used(100)) as upstream, Served(tmp_path, upstream, priced(COSTLY)) as gateway:
        assert [gateway.ask(session="a").status, gateway.ask().status, gateway.ask().status] == [200, 200, 200]
        got = gateway.ask()
        assert (got.status, got.error["policy"]) == (409, "limits.per_hour.cost_usd")
        assert len(upstream.requests) == 3


def test_what_a_request_may_cost_is_set_aside_before_it_is_sent(tmp_path: Path) -> None:
    """Ten at once that may cost four cents each: after three nothing is left; what they did not need is free afterwards."""
    gate = threading.Event()
    with ScriptedServer(*[behind(gate, used(100))] * 10) as upstream, Served(tmp_path, upstream, priced(COSTLY)) as gateway:
        found = at_once([lambda: gateway.ask(max_tokens=400)] * 10, then=lambda done: gate.set() if done == 7 else None)
        assert found == [200] * 3 + [409] * 7
        assert gateway.ask(max_tokens=400).status == 200


@pytest.mark.parametrize(("status", "after"), [(500, 200), (200, 409)], ids=["refused", "broken"])
def test_what_failed_is_counted_where_it_may_have_cost(tmp_path: Path, status: int, after: int) -> None:
    """A request that the upstream refused costs nothing; an answer that broke off is counted as it was estimated."""
    failing = Answer(status=status, body=b"no JSON at all")
    with ScriptedServer(failing, used(100)) as upstream, Served(tmp_path, upstream, priced(COSTLY)) as gateway:
        assert gateway.ask(max_tokens=1000).status == 502
        assert gateway.ask(max_tokens=1000).status == after


def sent(upstream: ScriptedServer, request: int = -1) -> dict[str, object]:
    """What the upstream was told about the length of the answer."""
    names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
    return {name: upstream.requests[request].body[name] for name in names if name in upstream.requests[request].body}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {"max_completion_tokens": 600}),
        ({"max_tokens": 5000}, {"max_tokens": 600}),
        ({"max_tokens": 100}, {"max_tokens": 100}),
        ({"max_tokens": 1, "max_completion_tokens": 5000}, {"max_tokens": 600, "max_completion_tokens": 600}),
        ({"max_tokens": -1}, {"max_completion_tokens": 600}),
        ({"max_output_tokens": 1}, {"max_completion_tokens": 600, "max_output_tokens": 1}),
        ({"n": 3}, {"max_completion_tokens": 200}),
    ],
    ids=["unbounded", "more", "less", "twice", "without-end", "of-the-other-api", "choices"],
)
def test_an_answer_is_bounded_to_what_is_left(tmp_path: Path, asked: dict[str, Any], told: dict[str, object]) -> None:
    """Where little is left, the request says how long the answer may be; one that is short anyway goes on as it came."""
    with ScriptedServer(used(400), used(10)) as upstream, Served(tmp_path, upstream, priced(COSTLY)) as gateway:
        assert [gateway.ask().status, gateway.ask(**asked).status] == [200, 200]
        assert sent(upstream) == told


def test_an_answer_of_the_responses_api_is_bounded_too(tmp_path: Path) -> None:
    """By its own name for that."""
    body = {"model": "m", "input": "do it"}
    with ScriptedServer(Answer(status=500)) as upstream, Served(tmp_path, upstream, priced(COSTLY)) as gateway:
        gateway.send("POST", "/v1/responses", body)
        assert sent(upstream) == {"max_output_tokens": 1000}


def test_where_much_is_left_nothing_is_bounded(tmp_path: Path) -> None:
    """Servers refuse more than a model can do, and hardly an answer is so long; so much is set aside."""
    on = policy(rule("allow", "read"), per_hour("cost_usd", 4))
    gate = threading.Event()
    with ScriptedServer(*[behind(gate, used(1))] * 4) as upstream, Served(tmp_path, upstream, priced(on)) as gateway:
        found = at_once([gateway.ask] * 4, then=lambda done: gate.set() if done == 1 else None)
        assert found == [200, 200, 200, 409]
        assert [sent(upstream, number) for number in range(3)].count({}) == 2  # they come in any order


def test_a_server_that_knows_no_bound_is_asked_another_way(tmp_path: Path) -> None:
    """By the older name, and at last without: it has a bound of its own, or knows none."""

    def refuses(request: Request) -> Answer:
        name = next(iter({"max_completion_tokens", "max_tokens"} & request.body.keys()), None)
        return used(10) if name is None else error(400, f"unknown parameter: {name}")

    with ScriptedServer(*[refuses] * 4) as upstream, Served(tmp_path, upstream, priced(COSTLY)) as gateway:
        assert gateway.ask().status == 200
        assert [sent(upstream, number) for number in range(3)] == [{"max_completion_tokens": 1000}, {"max_tokens": 1000}, {}]
        refused = gateway.ask(max_tokens=5000)
        assert (refused.status, len(upstream.requests)) == (400, 4)


def test_a_model_without_a_price_is_not_asked(tmp_path: Path) -> None:
    """Where the policy limits the cost, over time or of a session."""
    for on in (COSTLY, policy(rule("allow", "read"), limit("cost_usd", 1))):
        with ScriptedServer() as upstream, Served(tmp_path, upstream, priced(on)) as gateway:
            got = gateway.ask(model="other")
            assert (got.status, got.error["code"], upstream.requests) == (409, "budget_exceeded", [])


def test_parallel_requests_of_a_session_never_pass_its_steps(tmp_path: Path) -> None:
    """Those that are on their way count; the upstream is asked twice and no more."""
    on = policy(rule("allow", "read"), limit("steps", 2))
    gate = threading.Event()
    with ScriptedServer(*[behind(gate, chat("x"))] * 10) as upstream, Served(tmp_path, upstream, on) as gateway:
        found = at_once([lambda: gateway.ask(session="a")] * 10, then=lambda done: gate.set() if done == 8 else None)
        assert found == [200] * 2 + [409] * 8
        assert len(upstream.requests) == 2


def test_a_request_that_failed_is_not_on_its_way(tmp_path: Path) -> None:
    """Its step is free again."""
    on = policy(rule("allow", "read"), limit("steps", 1))
    with (
        ScriptedServer(Answer(status=500, body=b"x"), Answer(body=b"x"), chat("one")) as upstream,
        Served(tmp_path, upstream, on) as gateway,
    ):
        assert [gateway.ask(session="a").status for _ in range(4)] == [502, 502, 200, 409]


def behind(gate: threading.Event, answer: Answer) -> Callable[[Request], Answer]:
    """The answer, once the gate is open."""

    def wait(request: Request) -> Answer:
        assert gate.wait(20)
        return answer

    return wait


def test_a_client_that_goes_away_early_leaves_no_request_on_its_way(tmp_path: Path) -> None:
    """Not even one that goes while its request is being permitted."""

    async def story() -> int:
        store = SqliteStore(tmp_path / "gateway.db", steady_clock())
        on = bench(policy(rule("allow", "read"), limit("steps", 1)), clock=steady_clock())
        hearing = Hearing(on, store, Metrics(), "a", "chat")
        permitting = asyncio.create_task(hearing.permit(asked()))
        await asyncio.sleep(0)
        permitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await permitting
        hearing.failed(free=False)
        left = await store.commit(lambda books: books.sent("a"))
        await store.close()
        return left

    assert asyncio.run(story()) == 0


def at_once(asks: Sequence[Callable[[], object]], then: Callable[[int], object] = lambda done: None) -> list[int]:
    """The statuses of requests that are made together, in order; `then` is told how many are done."""
    found: list[int] = []
    lock = threading.Lock()

    def one(ask: Callable[[], object]) -> None:
        status = ask().status  # type: ignore[attr-defined]
        with lock:
            found.append(status)
            then(len(found))

    threads = [threading.Thread(target=one, args=(ask,)) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)
