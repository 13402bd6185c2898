"""Tools with which the agent could rewrite what judges it."""

from collections.abc import Iterable, Iterator

from agentgate.core.findings import Finding, Severity
from agentgate.core.late import late
from agentgate.core.lint import shapes
from agentgate.core.lint.audit import Audit, Protected, Report, Subject
from agentgate.core.lint.calls import put
from agentgate.core.lint.near import PATHS
from agentgate.core.lint.trial import Trial

_WRITES = frozenset(("write", "save", "edit", "create", "append", "put", "patch", "update", "move", "rename", "copy", "delete", "remove",
                     "replace", "overwrite", "upload", "download", "modify"))  # fmt: skip
_RUNS = frozenset(("shell", "bash", "exec", "execute", "run", "command", "terminal"))
_COMMANDS = frozenset(("command", "cmd", "script", "shell", "bash"))
_WAY_ON = "allow the tool only within the folders it is meant for (`path: [docs]`), or add a block rule for this one"
_WORDS = late(r"[A-Z]?[a-z]+|[A-Z]+")


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    found: set[str | None] = set()
    for tool in _tools(subject):
        for protected in subject.protected:
            trial = _reaches(subject, tool, protected)
            if trial is None or trial.decision.rule in found:
                continue
            found.add(trial.decision.rule)
            rule = next((rule.rule for rule in subject.rules if rule.rule.id == trial.decision.rule), None)
            yield report(
                subject.place_of(rule),
                f"tool `{tool}` can rewrite {protected.what}",
                help=f"{_WAY_ON}",
                proof=trial,
            )


def _tools(subject: Subject) -> Iterable[str]:
    if subject.tools is not None:
        return subject.tools.names
    return dict.fromkeys(name for rule in subject.enforced for name in sorted(rule.selector.exact))


def _reaches(subject: Subject, tool: str, protected: Protected) -> Trial | None:
    for argument, value in _writing(subject, tool, protected):
        for rule in subject.calls.about(tool):
            for role in subject.calls.roles(rule)[:2]:
                for arguments in [subject.calls.least(tool), *subject.calls.matching(rule, tool, role, most=2)]:
                    trial = subject.calls.judge(tool, put(arguments, (argument,), value), role=role, after=subject.calls.history(rule))
                    if trial.passes:
                        return trial
    return None


def _writing(subject: Subject, tool: str, protected: Protected) -> Iterator[tuple[str, str]]:
    """Arguments that would make the tool write the file, by the names that such tools and arguments usually have."""
    words = {word.lower() for word in _WORDS.findall(tool)}
    names = _arguments(subject, tool)
    if words & _WRITES:
        yield from ((name, protected.path) for name in names if name in PATHS)
    if words & _RUNS:
        yield from ((name, f"rm {protected.path}") for name in names if name in _COMMANDS)


def _arguments(subject: Subject, tool: str) -> list[str]:
    schema = subject.calls.schema(tool)
    if schema is not shapes.UNKNOWN:
        return shapes.names(schema)
    names = [condition.condition.argument for rule in subject.calls.about(tool) for condition in rule.when]
    return list(dict.fromkeys([*names, *(["path"] if "file" in tool.lower() else [])]))


AUDIT = Audit(
    code="within-reach",
    severity=Severity.WARNING,
    summary="the agent's own tools can rewrite the policy, the transcripts or the code of its tools",
    documentation="A policy is read once and hashed, so a run cannot change the rules it is judged by; the next run would be judged by "
    "what the agent wrote. Keep the policy, the transcripts and the tools' code out of the folders in which tools may "
    "write. Found by the usual names of tools that write (`write_file`, `edit`, `run_command`) and of their arguments "
    "(`path`, `file`, `command`).",
    find=_find,
)
