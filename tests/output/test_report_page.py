"""The report: nothing that a model, a tool or a file says becomes part of the page's structure, and nothing is left out unsaid."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Digest,
    Effect,
    Event,
    Mode,
    ModelReplied,
    PolicyDigest,
    RunEnded,
    RunStarted,
    ToolReturned,
    Trial,
    Usage,
)
from agentgate.files.history import read_history
from agentgate.files.transcript import Damage
from agentgate.files.transcript_chain import ZEROS, seal
from agentgate.files.transcript_reader import Source
from agentgate.history import sums
from agentgate.output.report.page import BEGINNING, Report, page
from agentgate.report import costs, tell

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_TAGS = (
    "html head meta title style body header main footer section article h1 h2 h3 h4 p span strong a br code pre ul ol li dl div dt dd"
    " table thead tbody tr th td details summary figure figcaption svg rect line path text"
)
_ATTRIBUTES = (
    "lang charset http-equiv content name id class href aria-labelledby aria-hidden aria-label focusable role scope data-label open"
    " viewbox preserveaspectratio x x1 x2 y y1 y2 width height d text-anchor dominant-baseline"
)
TAGS = frozenset(_TAGS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
VOID = ("meta", "br")
HOSTILE = [
    "</script><script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "javascript:alert(1)",
    '" onmouseover="alert(1)" x=\'',
    "' autofocus onfocus='alert(1)",
    "</style><style>*{display:none}</style>",
    "--><!--",
    "]]><![CDATA[",
    "</title></textarea></details></article></main><h1>forged</h1>",
    "&lt;script&gt;&#60;b&#62;&amp;",
    "{{ 7 * 7 }}{% for x in y %}{# #}",
    "nul\x00 bell\x07 escape\x1b[2J delete\x7f return\r",
    "lone \ud800 surrogate \udfff",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200b\u200d\ufeff",
    "marks " + "a" + "\u0301" * 40,
    "\u2028\u2029\x85\x0b\x0c",
    "<" * 500,
]


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.comments: list[str] = []
        self.declarations: list[str] = []
        self.text = ""
        self.style = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_decl(self, decl: str) -> None:
        self.declarations.append(decl)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.text += data


def transcript(folder: Path, events: Iterable[Event], name: str = "run.jsonl") -> Path:
    lines, prev = [], ZEROS
    for seq, event in enumerate(events, 1):
        sealed = seal(event, seq, prev)
        lines.append(sealed.line)
        prev = sealed.hash
    (folder / name).write_bytes(b"".join(lines))
    return folder / name


def html_of(files: Sequence[Path], *, damages: Sequence[Damage] = ()) -> str:
    """The page over these files."""
    sources = [Source(str(file)) for file in files]
    runs = [run for source in sources for run in read_history(source).runs]
    spent = [cost for source in sources for cost in costs(source)]
    report = Report(runs=runs, sums=sums(runs), damages=damages, costs=spent, made=AT)
    return "".join(page(report, (told for source in sources for told in tell(source))))


def story(word: str, own: str | None = None) -> Iterator[Event]:
    """A run in which everything that somebody else could have said is `word`; what must be UTF-8 is `own`."""
    own = word if own is None else own
    policy = PolicyDigest(own, own, (Digest(own, own),))
    yield RunStarted(
        at=AT,
        run_id=own,
        agentgate=own,
        task=Digest(own, own),
        policy=policy,
        mode=Mode.OBSERVE,
        role=own,
        model=own,
        messages=({"role": "system", "content": word}, {"role": "user", "content": [{"type": "text", "text": word}]}),
    )
    call = {"id": word, "type": "function", "function": {"name": word, "arguments": word}}
    message = {"role": "assistant", "content": word, "tool_calls": [call, call]}
    later = ({"role": "user", "content": word},)
    yield ModelReplied(at=AT, step=1, message=message, finish_reason=own, usage=Usage(5, 5), cost_usd=0.5, unusable=own, messages=later)
    decided = CallDecided(
        at=AT,
        step=1,
        call_id=word,
        tool=word,
        arguments=word,
        effect=Effect.ASK,
        code=Code.RULE,
        rule=own,
        reason=own,
        hint=own,
        trials=(Trial(own, Effect.BLOCK),),
    )
    yield decided
    yield ApprovalAnswered(at=AT, call_id=own, args_hash="", answer=own, by=own, note=own)
    yield ToolReturned(at=AT, call_id=word, executed=True, ok=False, content=word, seconds=1, truncated=True)
    yield CallDecided(at=AT, step=1, call_id=[word], tool={word: word}, arguments=[word], effect=Effect.BLOCK, code=Code.MALFORMED_CALL)
    yield ToolReturned(at=AT, call_id=[word], executed=False, ok=False, content=word)
    yield RunEnded(at=AT + timedelta(seconds=3), status=own, reason=own)


def writable(word: str) -> str:
    return word.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_comes_from_data(tmp_path: Path, word: str) -> None:
    """With hostile words everywhere, the page has the same elements, attributes and values of attributes as with a harmless one."""
    damage = Damage(word, 1, word)
    found = Page(html_of([transcript(tmp_path, story(word, writable(word)))], damages=[damage]))
    assert {tag for tag, _ in found.tags} <= TAGS
    assert {name for _, attributes in found.tags for name in attributes} <= ATTRIBUTES
    assert not any(word in (value or "") for _, attributes in found.tags for value in attributes.values())
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert all(re.fullmatch(r"#run-\d+", link or "") for link in links)
    assert found.comments == [" agentgate report "]
    assert found.declarations == ["doctype html"]
    allowed = {"\n"}
    assert not [char for char in found.text if not char.isprintable() and char not in allowed]
    assert "\ud800" not in found.text
    html_of([tmp_path / "run.jsonl"]).encode("utf-8")


def test_the_policy_of_the_page(tmp_path: Path) -> None:
    """Nothing may be loaded or run; the one style sheet is allowed by its hash, and no style stands in an attribute."""
    html = html_of([transcript(tmp_path, story("x"))])
    assert html.startswith(BEGINNING)
    found = Page(html)
    digest = base64.b64encode(sha256(found.style.encode()).digest()).decode()
    policies = [attributes["content"] for tag, attributes in found.tags if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]
    assert "url(" not in found.style
    assert "@import" not in found.style
    assert "http" not in re.sub(r"http-equiv", "", html)


def test_ids_are_unique_and_links_lead_to_them(tmp_path: Path) -> None:
    """Every link and label on the page names one element."""
    files = [transcript(tmp_path, story(str(number)), f"{number}.jsonl") for number in range(3)]
    found = Page(html_of(files))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    wanted = {(attributes.get("href") or "#").lstrip("#") for tag, attributes in found.tags if tag == "a"}
    wanted |= {attributes["aria-labelledby"] or "" for _, attributes in found.tags if "aria-labelledby" in attributes}
    assert wanted <= set(ids)


def test_everything_is_told(tmp_path: Path) -> None:
    """The decision with its word and reason, the arguments, the approval, the result, the totals, the audit."""
    text = Page(html_of([transcript(tmp_path, story("ünïcode"))])).text
    for wanted in (
        "rule ünïcode",
        "ask",
        "✗ block",
        "malformed call",
        "ünïcode by ünïcode: ünïcode",
        "→ failed",
        "cut at the limit of output",
        "1 s",
        "$0.5000",
        "Timeline: 1 step, 2 calls",
        "observe: nothing was enforced",
        "findings in 8 events",
    ):
        assert wanted in text, wanted


@pytest.mark.parametrize("size", [299, 301, 2_000, 1_000_000])
def test_long_values(tmp_path: Path, size: int) -> None:
    """Short in passing, whole in the details up to a bound, and what is left out is said."""
    word = "<b>" + "x" * (size - 3)
    html = html_of([transcript(tmp_path, story(word, "own"))])
    found = Page(html)
    assert {tag for tag, _ in found.tags} <= TAGS
    assert len(html) < 40_000 + 12 * min(size, 200_000)
    assert ("more characters are in the transcript" in found.text) is (size > 200_000)
    assert ("whole result" in found.text) is (size > 300)


def test_runs_are_taken_one_at_a_time(tmp_path: Path) -> None:
    """Nothing of the second run is asked for before the first one is on the page."""
    files = [transcript(tmp_path, story(f"run{number}"), f"{number}.jsonl") for number in range(2)]
    sources = [Source(str(file)) for file in files]
    runs = [run for source in sources for run in read_history(source).runs]
    asked: list[str] = []

    def telling() -> Iterator[Any]:
        for source in sources:
            asked.append(source.file)
            yield from tell(source)

    report = Report(runs=runs, sums=sums(runs), damages=(), costs=(), made=AT)
    for piece in page(report, telling()):
        if 'id="run-1"' in piece or "Run 1" in piece:
            break
    assert len(asked) <= 2
    assert asked[0] == sources[0].file


def test_transcripts_of_others(tmp_path: Path) -> None:
    """Calls that nobody decided are shown as proposed, and nothing is said to be verified."""
    call = '{"id": "c", "type": "function", "function": {"name": "pay", "arguments": "{\\"to\\": \\"<b>\\"}"}}'
    lines = ['{"role": "user", "content": "hi"}', f'{{"role": "assistant", "content": null, "tool_calls": [{call}]}}']
    lines.append('{"role": "tool", "tool_call_id": "c", "content": "paid"}')
    (tmp_path / "chat.jsonl").write_text(f'{{"messages": [{", ".join(lines)}]}}\n')
    text = Page(html_of([tmp_path / "chat.jsonl"])).text
    for wanted in ("· proposed", "· not decided", "not verified: recorded by somebody else, without hashes", "→ result", '"paid"', '"<b>"'):
        assert wanted in text, wanted
