"""Loads policies: reads the files, says everything that is wrong with them, and puts them together."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from typing import BinaryIO, NamedTuple

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.policy import Policy
from agentgate.errors import UsageError
from agentgate.files.collector import collector_paused
from agentgate.files.errors import error
from agentgate.files.examples import failing
from agentgate.files.extending import Extending
from agentgate.files.merge import merge
from agentgate.files.parts import Part
from agentgate.files.reading import POLICY_BYTES, Source, Sources, file_error, in_order, read_source
from agentgate.files.validation import Validator
from agentgate.files.yaml import Document, Parsed, parse


class PolicyReading(NamedTuple):
    """What came of reading policy files."""

    policy: Policy | None
    """None where a finding is an error."""
    findings: list[Finding]
    """In file order."""
    sources: Sources
    """File → its lines, for frames."""


def load_policy(*paths: str, stdin: BinaryIO | None = None) -> Policy:
    """Loads policy files and those that they extend, and merges them; their order does not matter.

    Args:
        paths: at least one path; `-` is standard input.
        stdin: in place of standard input.

    Raises:
        FileError: a file cannot be read, or something in it is wrong; carries every finding, in file order.
        UsageError: no path is given.
    """
    policy, findings, sources = read_policy(*paths, stdin=stdin)
    if policy is None:
        raise file_error(findings, sources)
    return policy


def read_policy(*paths: str, stdin: BinaryIO | None = None) -> PolicyReading:
    """Like `load_policy`, but gives findings back.

    Raises:
        FileError: a file cannot be read at all.
        UsageError: no path is given.
    """
    return understand([read_source(str(path), stdin=stdin) for path in paths])


def understand(sources: Sequence[Source], parsed: Mapping[str, Parsed] | None = None) -> PolicyReading:
    """What policy files say that were read already, and perhaps parsed: source name → what came of it.

    Raises:
        UsageError: there are none.
    """
    if not sources:
        raise UsageError("no policy is given", help="name a file with `--policy`")
    with collector_paused():
        return _understood(sources, parsed or {})


def _understood(sources: Sequence[Source], parsed: Mapping[str, Parsed]) -> PolicyReading:
    findings: list[Finding] = []
    lines: dict[str, tuple[str, ...]] = {}
    parts: list[Part] = []
    extending = Extending()
    for source in sources:
        if source.name in lines:
            raise UsageError(f"the policy `{source.name}` is given twice")
        lines[source.name] = ()
        extending.given(source)
    pending = deque(sources)
    while pending:
        source = pending.popleft()
        part, found, lines[source.name] = _part(source, parsed.get(source.name))
        findings.extend(found)
        if part is not None:
            parts.append(part)
            for extended in extending.follow(part):
                (pending if isinstance(extended, Source) else findings).append(extended)  # type: ignore[arg-type]
    findings.extend(extending.circles())
    policy = None
    if len(parts) == len(lines):
        policy, found = merge(parts, given=len(sources))
        findings.extend(found)
        if not any(finding.severity is Severity.ERROR for finding in findings):
            findings.extend(failing(policy))
    ordered = in_order(findings, list(lines))
    usable = not any(finding.severity is Severity.ERROR for finding in ordered)
    return PolicyReading(policy if usable else None, ordered, lines)


def _part(source: Source, parsed: Parsed | None) -> tuple[Part | None, list[Finding], tuple[str, ...]]:
    parsed = parsed or parse(source.data, source.name, max_bytes=POLICY_BYTES)
    document = parsed.document
    if document is None:
        return None, parsed.findings, parsed.lines
    part, findings = part_of(document, source)
    findings = [finding for finding in findings if (finding.place.line, finding.place.column) not in parsed.judged]
    return part, [*parsed.findings, *findings], parsed.lines


def part_of(document: Document, source: Source) -> tuple[Part | None, list[Finding]]:
    """What a document contributes to a policy, as far as it can be understood, and what is wrong with it."""
    from agentgate.files.flat_policy import flat_part
    from agentgate.files.native_policy import native_part

    if not isinstance(document.value, dict):
        message = "a policy is a mapping with `version`, `rules` and the like"
        return None, [error("wrong-type", document.value_place(()), message)]
    flat = "policies" in document.value
    checked = _validator(flat=flat).check(document)
    if not checked.complete:
        return None, checked.findings
    part = Part(source.name, source.sha256, source.stem, Effect.BLOCK, document.value_place(()))
    return part, checked.findings + (flat_part if flat else native_part)(document, checked.bad, part)


@cache
def _validator(*, flat: bool) -> Validator:
    if flat:
        from agentgate.files.flat_policy import SCOPES
        from agentgate.files.flat_schema import flat_schema

        return Validator(flat_schema(), SCOPES)
    from agentgate.files.native_policy import SCOPES as NATIVE_SCOPES
    from agentgate.files.policy_schema import native_schema

    return Validator(native_schema(), NATIVE_SCOPES)
