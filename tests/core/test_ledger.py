"""A map that only grows: every version of it stays as it was, whoever adds to which."""

from __future__ import annotations

from random import Random

import pytest

from agentgate.core.ledger import Ledger


def ledger(**entries: int) -> Ledger[int]:
    """A ledger with these entries, made in this order."""
    made: Ledger[int] = Ledger()
    for key, value in entries.items():
        made = made.insert(key, value)
    return made


def test_a_version_sees_what_was_entered_before_it() -> None:
    """And neither later entries nor later values of its own keys."""
    empty = ledger()
    one = empty.insert("a", 1)
    two = one.insert("b", 2)
    again = two.insert("a", 3)
    assert [version.get("a") for version in (empty, one, two, again)] == [None, 1, 1, 3]
    assert [version.get("b") for version in (empty, one, two, again)] == [None, None, 2, 2]
    assert ["b" in version for version in (empty, one, two, again)] == [False, False, True, True]
    assert [set(version) for version in (empty, one, two, again)] == [set(), {"a"}, {"a", "b"}, {"a", "b"}]


def test_an_older_version_can_grow_in_its_own_way() -> None:
    """Two that grow from the same one know nothing of each other."""
    shared = ledger(a=1, b=2).insert("a", 3)
    left, right = shared.insert("c", 4), shared.insert("c", 5)
    assert (left.get("c"), right.get("c"), shared.get("c")) == (4, 5, None)
    assert (right.get("a"), right.get("b")) == (3, 2)
    assert left.insert("d", 6).insert("a", 7).get("a") == 7
    assert right.insert("d", 8).get("d") == 8


def test_a_new_key_can_be_asked_for() -> None:
    """Of any version, the latest or not: what one that has the key would lose, it does not take."""
    one = ledger(a=1)
    two = one.insert_new("b", 2)
    assert two == ledger(a=1, b=2)
    assert one.insert_new("a", 3) is None
    assert one.insert_new("b", 4) == ledger(a=1, b=4)
    assert (two.get("b"), two.get("a"), one.get("b")) == (2, 1, None)
    assert two.insert_new("b", 5) is None


def test_the_latest_version_can_be_added_to_by_whoever_holds_it_alone() -> None:
    """It grows in place; one that it grew from does not, and neither does one with the key or with a later version."""
    one = ledger(a=1)
    two = one.insert("b", 2)
    assert (two.enter("c", 3), two.enter("b", 4), one.enter("d", 5)) == (True, False, False)
    assert two == ledger(a=1, b=2, c=3) == two.insert("c", 3)
    assert one == ledger(a=1)
    assert one.insert("c", 6).get("c") == 6


def test_two_ledgers_are_equal_where_they_say_the_same() -> None:
    """However they came to it; not where a key or a value differs."""
    assert ledger(a=1, b=2) == ledger(b=2, a=1) == ledger(a=5, b=2).insert("a", 1)
    assert ledger(a=1) != ledger(a=2)
    assert ledger(a=1) != ledger(a=1, b=2)
    assert ledger() != {}
    assert repr(ledger(a=1)) == "Ledger({'a': 1})"
    with pytest.raises(TypeError):
        hash(ledger())


@pytest.mark.parametrize("seed", range(30))
def test_every_version_behaves_like_a_copied_dictionary(seed: int) -> None:
    """Versions grow at random, most often the latest, and all of them stay what they were."""
    random = Random(seed)
    versions: list[tuple[Ledger[int], dict[str, int]]] = [(Ledger(), {})]
    for number in range(60):
        grown, known = versions[-1] if random.random() < 0.8 else random.choice(versions)
        key = random.choice("abcdefgh")
        new = grown.insert_new(key, number) if random.random() < 0.5 else None
        assert new is None or key not in known
        versions.append((grown.insert(key, number) if new is None else new, {**known, key: number}))
    for version, known in versions:
        assert {key: version.get(key) for key in version} == known
        assert all((key in version) == (key in known) for key in "abcdefghi")


def test_ledgers_are_equal_by_what_is_in_them() -> None:
    """However they came to it; and to nothing else. An empty one is false."""
    same = ledger(b=2, a=0).insert("a", 1)
    assert (ledger(a=1, b=2) == same, ledger(a=1, b=2) != same) == (True, False)
    for other in (ledger(a=2), ledger(b=1), ledger(), {}, {"a": 1}):
        assert (ledger(a=1) == other, ledger(a=1) != other) == (False, True)
    assert [bool(one) for one in (ledger(), ledger(a=1), ledger(a=1, b=2))] == [False, True, True]
