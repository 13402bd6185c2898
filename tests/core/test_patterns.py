"""Many patterns at once say what each says alone, also where RE2 cannot take them together."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.patterns import InvalidPattern, Kind, Pattern, PatternSet, compile_pattern, glob_pattern, unmasked

TOO_LITTLE = 1024
"""Bytes in which no automaton fits."""
PATTERNS = ("", "a", "a|ab", "^a$", "(?i)drop", "(?s)a.b", "a.b", r"\bx\b", "é", "[^a]*", "(?m)^b$", "x{2,3}")
TEXTS = ("", "a", "ab", "a\nb", "drop", "DROP", "x x", "é", "e\u0301", "b", "xxxx", "\x00", "a" * 3000, "😀", "ſ")


class Speechless(PatternSet):
    """A set whose automaton answers nothing at all, as RE2 does when it gives up while matching."""

    __slots__ = ()

    def _compiled(self, options: re2.Options) -> re2.Set:
        silent = re2.Set.FullMatchSet(options)
        silent.Add("this is in no text")
        silent.Compile()
        return silent


class HalfSpoken(PatternSet):
    """A set whose answer is not whole: what always matches is missing from it."""

    __slots__ = ()

    def _compiled(self, options: re2.Options) -> re2.Set:
        made = re2.Set.FullMatchSet(options)
        made.Add("(?s:.*)")
        made.Compile()
        return made


def alone(patterns: tuple[str, ...], kind: Kind, text: str) -> list[int]:
    """What each pattern says by itself."""
    asked = re2.search if kind == "search" else re2.fullmatch
    return [index for index, pattern in enumerate(patterns) if asked(pattern, text) is not None]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:20])
@pytest.mark.parametrize("kind", ["search", "full"])
def test_together_they_say_what_each_says_alone(kind: Kind, text: str) -> None:
    """With enough memory, with too little to compile the set, and with a set that gives up while it matches, or half-way."""
    expected = alone(PATTERNS, kind, text)
    for patterns in (
        PatternSet(PATTERNS, kind),
        PatternSet(PATTERNS, kind, memory=TOO_LITTLE),
        Speechless(PATTERNS, kind),
        HalfSpoken(PATTERNS, kind),
    ):
        assert sorted(patterns.matches(text)) == expected


@pytest.mark.parametrize("kind", ["search", "full"])
def test_they_are_matched_together_where_memory_allows(kind: Kind) -> None:
    """And no more memory is taken than was given."""
    assert PatternSet(PATTERNS, kind)._set is not None
    assert PatternSet(PATTERNS, kind, memory=TOO_LITTLE)._set is None


@given(
    st.lists(st.from_regex(r"\A[ab.*|(?s)]{0,6}\Z").filter(lambda text: compiles(text)), max_size=5).map(tuple),
    st.text("ab\n", max_size=6),
    st.sampled_from(["search", "full"]),
    st.sampled_from([TOO_LITTLE, 3000, 10_000, 1 << 20]),
)
def test_memory_never_changes_an_answer(patterns: tuple[str, ...], text: str, kind: Kind, memory: int) -> None:
    """However little there is, the same patterns match."""
    assert sorted(PatternSet(patterns, kind, memory=memory).matches(text)) == alone(patterns, kind, text)


def compiles(pattern: str) -> bool:
    """Whether RE2 takes it."""
    try:
        compile_pattern(pattern)
    except InvalidPattern:
        return False
    return True


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("(", "missing )"), ("(?=a)", "(?="), (r"(a)\1", "\\1"), ("a{1001}", "repetition"), ("[z-a]", "z-a"), ("\ud800", "lone surrogate")],
)
def test_what_re2_cannot_compile_is_refused_with_its_reason(pattern: str, reason: str) -> None:
    """Look-around, back-references and broken patterns; also before anything is matched."""
    for refusing in (compile_pattern, lambda text: Pattern(text, "search")):
        with pytest.raises(InvalidPattern) as refused:
            refusing(pattern)
        assert reason in str(refused.value)


@pytest.mark.parametrize(("kind", "matching"), [("search", ["b", "abc", "b\n"]), ("full", ["b"])])
def test_one_pattern_matches_as_its_kind_says(kind: Kind, matching: list[str]) -> None:
    """Anywhere, or as a whole; however often it is asked."""
    pattern = Pattern("b", kind)
    assert pattern.kind == kind
    for _ in range(100):
        assert [text for text in ("b", "abc", "c", "b\n", "") if pattern(text)] == matching


@pytest.mark.parametrize(
    ("glob", "text", "fits"),
    [
        ("a*c", "a\nc", True),
        ("a*c", "ac", True),
        ("*", "", True),
        ("a.c", "abc", False),
        ("a+", "a+", True),
        ("a+", "aa", False),
        ("**", "x", True),
        ("a", "a\n", False),
    ],
)
def test_in_a_glob_only_the_star_is_special(glob: str, text: str, fits: bool) -> None:
    """It stands for any run of characters, line breaks included."""
    assert Pattern(glob_pattern(glob), "full")(text) is fits


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain text", "plain text"),
        ("two\nlines\tand \r\v\f", "two\nlines\tand \r\v\f"),
        ("dr\u200bop", "drop"),
        ("ｄｒｏｐ", "drop"),
        ("\x00d\x1br\x7fop", "drop"),
        ("ﬁle", "file"),
        ("\uffa0x", "x"),
        ("\u115fx\u1160", "x"),
        ("\u180f\u2800\u3164x\U000e0fff", "x"),
        ("x\u180ay\U000e1000", "x\u180ay\U000e1000"),
        ("é", "é"),
        ("e\u0301", "é"),
        ("\u0301\u034f\u0350", "\u0301\u0350"),
        ("\u17b3\u17b4\u17b5\u17b6", "\u17b3\u17b6"),
        ("\u180b\u180c\u180d\u180e", ""),
        ("\u27ff\u2800\u2801", "\u27ff\u2801"),
        ("\ufe00\ufe0f", ""),
        ("\U000e0000\U000e0fff", ""),
    ],
)
def test_what_hides_a_word_is_taken_away(text: str, seen: str) -> None:
    """Invisible and full-width characters go, white space and visible characters stay."""
    assert unmasked(text) == seen


@pytest.mark.parametrize(("first", "last"), [(0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x2800, 0x2800), (0xE0000, 0xE0FFF)])
def test_only_what_shows_nothing_is_taken_away(first: int, last: int) -> None:
    """The characters before and after such a range are left."""
    assert unmasked(f"a{chr(first)}{chr(last)}b") == "ab"
    for beside in (first - 1, last + 1):
        assert unmasked(f"a {chr(beside)} b") != "a  b"


def test_what_re2_refuses_it_does_not_print(capfd: pytest.CaptureFixture[str]) -> None:
    """It would write to the terminal by itself, past everything that makes texts safe to show."""
    assert not compiles("(\x1b[2J")
    PatternSet(PATTERNS, "search", memory=TOO_LITTLE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["search", "full"])
def test_a_pattern_that_is_asked_often(kind: Kind) -> None:
    """It says the same whether it is asked by itself, as at first, or as a set of one, as later."""
    pattern = Pattern("(?i)ab", kind)
    for _ in range(20):
        assert [pattern(text) for text in ("ab", "AB", "xab", "ax", "")] == [True, True, kind == "search", False, False]


@pytest.mark.parametrize("kind", ["search", "full"])
def test_a_pattern_whose_set_gives_up_is_asked_by_itself(kind: Kind) -> None:
    """So it neither matches everything then, nor nothing."""
    pattern = Pattern("(?i)ab", kind)
    for silent in (Speechless, HalfSpoken):
        pattern._set = silent((pattern.text,), kind)
        assert [pattern(text) for text in ("ab", "AB", "xab", "ax", "")] == [True, True, kind == "search", False, False]
