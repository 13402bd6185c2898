"""The same rules and calls for every engine, in a form that belongs to none of them.

A rule allows or blocks a tool (a name, or a pattern with `*` at its end), and may look at one argument: whether it `is` a text, or
`contains` a word. A call passes where some allow rule matches and no block rule does.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

SIZES = (10, 100, 1_000, 10_000)
_NOTE = "a few words, as they occur in calls"
_SCHEMA = {
    "type": "object",
    "properties": {"action": {"type": "string"}, "customer_id": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["action"],
}


def work(size: int) -> dict[str, Any]:
    """So many rules, calls to agree about, and those of them that are timed."""
    rules = [rule_of(number) for number in range(size - 1)]
    rules.insert(size // 2, _rule("read-customer", "allow", "customer_db", "action", "is", "read"))
    timed = [
        _call("customer_db", "read"),
        _call("customer_db", "read", customer=7),
        _call("customer_db", "read_2"),
        _call("tool_0", "read"),
        _call("customer_db", "read", note="another note, which is somewhat longer than that of other calls, but by no means long"),
        _call("customer_db", "delete"),
        _call("http_1_get", "read"),
        _call("customer_db", "read", note=f"the word {_word(3)} stands here"),
    ]
    calls = [*timed, *_calls(size)]
    tools = [
        {"type": "function", "function": {"name": name, "parameters": _SCHEMA}} for name in dict.fromkeys(call["tool"] for call in calls)
    ]
    return {"rules": rules, "calls": calls, "timed": timed, "tools": tools}


def rule_of(number: int) -> dict[str, Any]:
    """Rules as they occur, in equal parts: other tools, patterns of names, values of an argument, words in another argument."""
    match number % 4:
        case 0:
            return _rule(f"tool-{number}", "allow", f"tool_{number}", "action", "is", "read")
        case 1:
            return _rule(f"http-{number}", "block", f"http_{number}_*", None, None, None)
        case 2:
            return _rule(f"read-{number}", "allow", "customer_db", "action", "is", f"read_{number}")
    return _rule(f"word-{number}", "block", "customer_db", "note", "contains", _word(number))


def _word(number: int) -> str:
    return f"secret{number:05}"


def _rule(id: str, effect: str, tool: str, argument: str | None, test: str | None, value: str | None) -> dict[str, Any]:
    return {"id": id, "effect": effect, "tool": tool, "argument": argument, "test": test, "value": value}


def _call(tool: str, action: str, *, note: str = _NOTE, customer: int = 101) -> dict[str, str]:
    return {"tool": tool, "arguments": json.dumps({"action": action, "customer_id": customer, "note": note})}


def _calls(size: int) -> list[dict[str, str]]:
    """Calls of every kind that any rule may say something about, near misses among them."""
    random = Random(size)
    calls = []
    for _ in range(72):
        rule = rule_of(random.randrange(size + 4))
        tool = random.choice((rule["tool"].replace("*", "get"), "customer_db", "send_money", "customer_dbx", rule["tool"].strip("_*")))
        action = random.choice(("read", "read", rule["value"] if rule["argument"] == "action" else "read", "Read", "write"))
        word = rule["value"] if rule["argument"] == "note" else "nothing"
        note = random.choice((_NOTE, _NOTE, f"… {word}", word.upper(), f"x{word}x", ""))
        calls.append(_call(tool, action, note=note))
    return calls
