"""Operands that make no sense are refused when the policy is loaded."""

from __future__ import annotations

import jsonschema
import pytest

from agentgate.core.conditions import OPERATORS, InvalidOperand
from agentgate.core.events import Json

SENSELESS: list[tuple[str, Json, str]] = [
    ("matches", "(", "unbalanced"),
    ("matches", "(?=a)", "look-ahead is not RE2"),
    ("search", "[", "unbalanced"),
    ("schema", {"type": "nonsense"}, "an unknown type"),
    ("path", ["~/src"], "a home folder is not expanded"),
    ("path", ["src\\x"], "a backslash"),
    ("path", [""], "empty"),
    ("path", ["a\x00"], "NUL"),
    ("path", ["src/*"], "a pattern"),
    ("path", ["file:///x"], "a URL"),
    ("url", {"hosts": ["https://api.example.com"]}, "a URL is not a host"),
    ("url", {"hosts": ["api.example.com:443"]}, "a port"),
    ("url", {"hosts": ["api.example.com/x"]}, "a path"),
    ("url", {"hosts": ["*"]}, "every host"),
    ("url", {"hosts": ["*example.org"]}, "a star without a dot"),
    ("url", {"hosts": ["a.*.org"]}, "a star within"),
    ("url", {"hosts": ["münchen.de"]}, "outside ASCII"),
    ("url", {"hosts": ["example.org."]}, "a dot at the end"),
    ("url", {"hosts": ["127.1"]}, "not the canonical spelling"),
    ("url", {"hosts": ["[::ffff:1.2.3.4]"]}, "IPv4 inside IPv6"),
    ("url", {"hosts": ["::ffff:102:304"]}, "IPv4 inside IPv6, in hexadecimal"),
    ("url", {"hosts": ["::7f00:1"]}, "IPv4 inside IPv6, the old way"),
    ("url", {"hosts": ["64:ff9b::7f00:1"]}, "IPv4 inside IPv6, translated"),
    ("url", {"hosts": ["2002:7f00:1::"]}, "IPv4 inside IPv6, tunnelled"),
    ("url", {"hosts": ["[::1"]}, "half of the brackets"),
    ("url", {"hosts": ["::1]"]}, "the other half"),
    ("url", {"hosts": ["a.com"], "schemes": ["gopher"]}, "an unknown scheme"),
    ("email", ["bob@example.com"], "an address is not a domain"),
    ("email", ["127.0.0.1"], "an address of a machine"),
    ("email", ["*"], "every domain"),
    ("command", [""], "no words"),
    ("command", ["* x"], "any program"),
    ("command", ["git* x"], "any program of that name"),
    ("command", ["ls | wc"], "a pipe"),
    ("command", ["ls; id"], "a list"),
    ("command", ["ls $HOME"], "a variable"),
    ("command", ["ls 'a b'"], "quotes"),
    ("command", ["ls\nid"], "two lines"),
    ("command", ["git ** x"], "`**` in the middle"),
    ("command", ["git a**"], "`**` within a word"),
    ("command", ["**"], "any command"),
    ("seen_in", ["send#"], "no field"),
    ("seen_in", "prompt#link", "the prompt has no fields"),
    ("sql", {"statements": ["grant"], "tables": []}, "not a kind that can be judged"),
    ("sql", {"statements": ["select"], "tables": [], "dialect": "klingon"}, "an unknown dialect"),
]


@pytest.mark.parametrize(("key", "operand", "why"), SENSELESS)
def test_senseless_operands_are_refused(key: str, operand: Json, why: str) -> None:
    """What an operator cannot make a test of is an InvalidOperand, whose message is one lower-case sentence."""
    with pytest.raises(InvalidOperand) as caught:
        OPERATORS[key].compile(operand)
    assert not str(caught.value).endswith("."), why


UNKNOWN_KEYS: list[tuple[str, Json]] = [
    ("url", {"hosts": ["a.com"], "host": "b.com"}),
    ("url", {"schemes": ["https"]}),
    ("sql", {"statements": ["select"], "tables": [], "columns": []}),
    ("sql", {"tables": ["orders"]}),
    ("path", [5]),
    ("path", [""]),
    ("min_length", -1),
    ("max_length", 1.5),
    ("exists", 1),
    ("glob", ""),
    ("email", [""]),
    ("command", [""]),
    ("seen_in", ""),
    ("seen_in", ["prompt", ""]),
    ("url", {"hosts": [""]}),
    ("url", {"hosts": ["a.com"], "ports": [0]}),
    ("url", {"hosts": ["a.com"], "ports": [65536]}),
    ("sql", {"statements": ["select"], "tables": [""]}),
]


@pytest.mark.parametrize(("key", "operand"), UNKNOWN_KEYS)
def test_the_schema_of_an_operand_is_closed(key: str, operand: Json) -> None:
    """Keys that nobody knows, keys that are missing and values of other types are errors of the file."""
    assert not jsonschema.Draft7Validator(OPERATORS[key].operand).is_valid(operand)


SMALLEST: list[tuple[str, Json]] = [
    ("path", ["x"]),
    ("url", {"hosts": ["x"], "ports": [1, 65535]}),
    ("email", ["x"]),
    ("command", ["w"]),
    ("sql", {"statements": [], "tables": ["t"], "functions": ["f"]}),
    ("seen_in", "x"),
    ("seen_in", ["x"]),
    ("glob", "x"),
    ("min_length", 0),
    ("max_length", 0),
    ("in", []),
]


@pytest.mark.parametrize(("key", "operand"), SMALLEST)
def test_the_shortest_operand_will_do(key: str, operand: Json) -> None:
    """One letter is a name; 0 is a length; an empty list means nothing."""
    assert jsonschema.Draft7Validator(OPERATORS[key].operand).is_valid(operand)
