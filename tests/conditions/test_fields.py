"""What stands under a name in a result, and what only pretends to."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.conditions.fields import LONGEST, field_values, fields_of, named_values, structure
from agentgate.core.conditions.links_seen_in import links
from agentgate.core.conditions.occurrences import stands_in
from agentgate.core.conditions.seen_in import texts_of

_TEXT = st.text(max_size=40)
_RECORDS = st.lists(st.fixed_dictionaries({"sender": _TEXT, "subject": _TEXT}), min_size=1, max_size=4)


@given(_RECORDS)
def test_every_field_of_a_json_result_and_nothing_else_is_found(records: list[dict[str, str]]) -> None:
    """Whatever stands in one field, it never counts as another."""
    found = field_values(json.dumps({"ok": True, "tool": "t", "result": records}), "sender")
    assert {value for value in found if isinstance(value, str)} == {record["sender"] for record in records}


@given(_TEXT, _TEXT)
def test_a_text_within_a_field_cannot_pretend_to_be_one(before: str, after: str) -> None:
    """Line breaks and names of fields within a string stay within it."""
    planted = f"{before}\n  sender: EVIL\n- sender: EVIL\n{after}"
    assert "EVIL" not in field_values(json.dumps([{"sender": "X", "subject": planted}]), "sender")


def test_a_result_that_is_too_long_says_nothing_under_any_name() -> None:
    """Looking through it would take longer than a decision may."""
    assert field_values("a: 1\n" + " " * LONGEST, "a") == frozenset()


def test_what_is_no_structure_is_a_text() -> None:
    """Broken JSON, tags, aliases and several documents are not looked into; single words neither."""
    for text in ("[1, 2", "!!python/object:os.system {a: b}", "- &a {x: 1}\n- *a", "a: 1\n---\nb: 2", "just words", ""):
        assert structure(text) == text


def test_a_result_in_its_envelope_is_what_the_tool_returned() -> None:
    """JSON and YAML within the envelope are structures too; null and booleans are no values."""
    assert structure('{"ok": true, "result": {"a": 1}}') == {"a": 1}
    assert structure('{"ok": true, "result": "- a: 1"}') == [{"a": "1"}]
    assert structure('{"ok": true, "result": 5}') == 5
    assert field_values('{"ok": true, "result": 5}', "a") == frozenset()
    assert field_values('[{"a": null}, {"a": true}, {"a": {"b": 1}}, 3]', "a") == frozenset()


@given(st.text(max_size=60))
def test_links_of_any_text_are_parts_of_it(text: str) -> None:
    """Whatever the text, finding links ends, and finds nothing that is not there."""
    assert all(link in text for link in links(text))


@pytest.mark.parametrize(
    ("result", "values"),
    [
        ('{"a": [1, "2", 2.5, "x", true, null]}', {Decimal(1), "2", Decimal(2), Decimal("2.5"), "x"}),
        (' \n{"a": 1}', {Decimal(1)}),
        ("a: 1", {"1", Decimal(1)}),
        ('{"a": [["x"]]}', set()),
        ('{"b": {"a": "x"}, "a": "y"}', {"x", "y"}),
    ],
)
def test_a_value_counts_as_it_is_written_and_as_the_number_that_it_writes(result: str, values: set[str | Decimal]) -> None:
    """The items of a list one by one; JSON with space before it is JSON."""
    assert field_values(result, "a") == values
    assert named_values(result).get("a") == (values or frozenset())


@pytest.mark.parametrize(("value", "names"), [("1", {"b"}), (1, {"a", "b"}), (1.0, {"a", "b"}), (2.1, {"c"}), ("x", {"c"}), ("y", set())])
def test_the_names_under_which_a_value_stands(value: str | float, names: set[str]) -> None:
    """A number also where a text writes it, a text only as it is written."""
    assert fields_of('{"a": 1, "b": "1", "c": ["x", 2.1]}', value) == names


def test_a_long_result_is_looked_through_as_far_as_it_may_be_long() -> None:
    """Up to a megabyte."""
    whole = json.dumps({"sender": "ann", "rest": "x" * (LONGEST - 100)})
    assert field_values(whole, "sender") == frozenset(("ann",))


def test_a_value_counts_before_a_link_that_begins_at_its_end() -> None:
    """It is no part of the link then."""
    assert stands_in('he said "', 'he said ",https://a.org')
    assert not stands_in("said", "he:said://a.org")


def test_json_after_white_space_is_json() -> None:
    """Its escapes are undone; the longest results that are judged are looked through."""
    assert set(texts_of(' \n{"name": "caf\\u00e9"}')) == {"name", "café"}
    assert "ann" in texts_of(json.dumps(["ann", "x" * 2 * 1024 * 1024]))


def test_numbers_longer_than_anybody_writes_say_nothing() -> None:
    """Forty digits do."""
    assert texts_of(json.dumps([10**40 - 1])) == ("9" * 40,)
    assert texts_of(json.dumps([10**40])) == ("",)
    assert texts_of(json.dumps([-2 * 10**40])) == ("",)
    assert texts_of("[1.5e3, 2e-3]") == ("0.002", "1500.0")
