"""Bodies whose tools are known are read as all bodies are, only sooner."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.core.events import Json
from agentgate.gateway import chat, responses
from agentgate.gateway.bodies import Bodies
from agentgate.gateway.envelope import BadRequest, read_object

LIMIT = 100_000
TOOLS: list[Json] = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {"a:b": {}}}}}]
TEXT = json.dumps(TOOLS)
MESSAGES = '[{"role": "user", "content": "hello: you"}]'
ENTRIES = st.sampled_from(
    [f'"tools": {TEXT}', f'"tools": {TEXT}', '"tools":[1]', '"tools": null', '"tools": [{"a": 1, "a": 1}]', '"t\\u006fols": []',
     f'"messages": {MESSAGES}', f'"messages":{MESSAGES}', '"messages": []', '"messages": [[[[[[[[[1]]]]]]]]]', '"messages": ["\\u003a"]',
     '"messages": [{"a": 1, "a": 2}]', '"messages": "\\ud800"', '"temperature": 0.7', '"temperature":1e999', '"n": 9223372036854775808',
     '"stop": [1e400]', '"unknown": {"a": 1}', '"unknown": {"a": 1, "a": 2}', '"unknown": 1e999', '"unknown": "\\ud800"', '"model": "m"',
     '"model": ":"', f'"user": {json.dumps(TEXT)}', '"user": "[1]"', '"user":', "x"]
)  # fmt: skip
BODIES = st.tuples(st.lists(ENTRIES, max_size=5), st.sampled_from([",", ", ", ",\n "])).map(lambda found: f"{{{found[1].join(found[0])}}}")


def one_by_one(raw: bytes) -> str:
    """What reading a body without any memory gives, types and order included, or why it is refused."""
    try:
        return repr(read_object(raw, LIMIT))
    except BadRequest as error:
        return f"{error}, {error.param}"


@given(st.lists(BODIES, min_size=1, max_size=6))
@settings(max_examples=400)
def test_what_is_remembered_changes_nothing(bodies: list[str]) -> None:
    """Neither what is read of a body nor what is refused, whatever bodies came before it."""
    memory = Bodies()
    for body in (f'{{"tools": {TEXT}}}', *bodies, *bodies):
        raw = body.encode()
        try:
            read = repr(memory.read(raw, LIMIT)[0])
        except BadRequest as error:
            read = f"{error}, {error.param}"
        assert read == one_by_one(raw)


def test_tools_are_known_by_their_text() -> None:
    """From the second time on, as one object, also where the rest of the body is another one."""
    memory = Bodies()
    first, none = memory.read(f'{{"messages": [], "tools": {TEXT}}}'.encode(), LIMIT)
    assert none is None
    for body in (f'{{"messages":{MESSAGES},"tools":{TEXT}}}', f'{{"tools": {TEXT}, "model": "m"}}'):
        again, tools = memory.read(body.encode(), LIMIT)
        assert tools is not None
        assert again["tools"] is tools.value is first["tools"]
    assert memory.read(b'{"tools": [ ]}', LIMIT)[1] is memory.read(b'{"messages": []}', LIMIT)[1] is None


def test_bodies_without_tools_and_with_unknown_fields_are_read_whole() -> None:
    """Nothing of them is left out."""
    memory = Bodies()
    for body in ('{"model": "m", "seed": 1}', f'{{"tools": {TEXT}, "new": {{"a": [1]}}}}'):
        for _ in range(2):
            assert memory.read(body.encode(), LIMIT)[0] == json.loads(body)


@pytest.mark.parametrize(("size", "known"), [(100, True), (128 * 1024, True), (128 * 1024 + 1, False)])
def test_the_memory_does_not_grow(size: int, known: bool) -> None:
    """Neither by many tools nor by long ones."""
    memory = Bodies()
    for number in range(70):
        text = f'[{{"name":"{number}","description":""}}]'
        text = text.replace('""', f'"{"x" * (size - len(text))}"')
        raw = f'{{"tools":{text}}}'.encode()
        assert len(text) == size
        assert memory.read(raw, 2 * size + LIMIT) == (json.loads(raw), None)
        assert (memory.read(raw, 2 * size + LIMIT)[1] is not None) is known
        assert len(memory._known) <= 64


def test_too_long_a_body_is_refused_though_its_tools_are_known() -> None:
    """The limit is one of all bytes."""
    memory = Bodies()
    raw = f'{{"tools": {TEXT}}}'.encode()
    assert memory.read(raw, len(raw)) == ({"tools": TOOLS}, None)
    assert memory.read(raw, len(raw))[1] is not None
    with pytest.raises(BadRequest, match=r"^the body is not strict JSON: \d+ bytes, at most"):
        memory.read(raw, len(raw) - 1)


def test_each_api_reads_the_same_tools_in_its_own_way() -> None:
    """What one of them made of a text is not taken by the other."""
    tools = [{"type": "function", "name": "flat", "parameters": {}}, {"type": "function", "function": {"name": "nested"}, "name": "n"}]
    raw = json.dumps({"messages": [{"role": "user", "content": "x"}], "input": "x", "tools": tools[1:]}).encode()
    for _ in range(3):
        assert chat.read_request(raw, LIMIT).tools == tuple(tools[1:])
        assert [tool["function"]["name"] for tool in responses.read_request(raw, LIMIT).tools] == ["n"]
