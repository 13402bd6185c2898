"""Cases are judged as a run would be that came to the same point."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentgate.cases import run_suite
from agentgate.core.events import Effect
from agentgate.suites import load_suites
from tests.cases.trying import differences, run

POLICY = """
roles: {viewer: [], operator: [viewer]}
groups: {web: [fetch]}
rules:
  - {id: read, allow: db, roles: [viewer], when: {action: read}}
  - {id: change, ask: db, roles: [operator], when: {action: change}, message: needs approval, hint: say why}
  - {id: send, allow: send, when: {to: {seen_in: [prompt, contacts]}}}
  - {id: taint, block: send, after: "@web"}
  - {id: early, allow: setup, before: db}
  - {id: files, allow: open, when: {path: {path: [src]}}}
limits: {steps: 3, tool_calls: 4, tokens: 100, seconds: 10, repeats: 2, refusals: 3, tools: {send: {calls: 1}}}
"""

PASSING = """
  - {name: role, role: viewer, when: {tool: db, arguments: {action: read}}, then: {effect: allow, rule: read, code: rule}}
  - {name: inherited role, role: operator, when: {tool: db, arguments: {action: read}}, then: allow}
  - {name: no role, when: {tool: db, arguments: {action: read}}, then: {effect: block, code: default}}
  - name: message and hint
    role: operator
    when: {tool: db, arguments: {action: change}}
    then: {effect: ask, reason: needs approval, hint: say why}
  - {name: prompt, prompt: Write to anna, when: {tool: send, arguments: {to: anna}}, then: allow}
  - {name: no prompt, when: {tool: send, arguments: {to: anna}}, then: block}
  - name: results
    given: [{tool: contacts, result: {name: anna}}]
    when: {tool: send, arguments: {to: anna}}
    then: allow
  - name: a refused call has no result
    given: [{tool: contacts, refused: true}]
    when: {tool: send, arguments: {to: anna}}
    then: block
  - name: after
    prompt: Write to anna
    given: [{tool: fetch}]
    when: {tool: send, arguments: {to: anna}}
    then: {effect: block, rule: taint}
  - {name: before, when: {tool: setup}, then: allow}
  - {name: too late, given: [{tool: db}], when: {tool: setup}, then: block}
  - {name: malformed, when: {tool: db, arguments: '{'}, role: viewer, then: {code: malformed_arguments}}
  - {name: a name that is none, when: {tool: a b}, then: {code: malformed_call}}
  - {name: request, when: request, then: allow}
  - {name: steps, used: {steps: 3}, when: request, then: {effect: block, rule: limits.steps, code: limit}}
  - {name: tokens, used: {tokens: 100}, when: {tool: setup}, then: {rule: limits.tokens}}
  - {name: seconds, used: {seconds: 10}, when: {tool: setup}, then: {rule: limits.seconds}}
  - {name: calls, given: [{tool: x, times: 4}], when: {tool: setup}, then: {rule: limits.tool_calls}}
  - {name: refused calls are no calls, given: [{tool: x, refused: true, times: 2}, {tool: x, times: 3}], when: {tool: setup}, then: allow}
  - {name: repeats, given: [{tool: setup, refused: true, times: 2}], when: {tool: setup}, then: {rule: limits.repeats}}
  - {name: other arguments, given: [{tool: setup, arguments: {a: 1}, refused: true, times: 2}], when: {tool: setup}, then: allow}
  - {name: refusals, given: [{tool: x, refused: true, times: 3}], when: {tool: setup}, then: {rule: limits.refusals}}
  - name: calls of a tool
    prompt: Write to anna
    given: [{tool: send}]
    when: {tool: send, arguments: {to: anna}}
    then: {rule: limits.tools.send}
  - {name: inside, when: {tool: open, arguments: {path: src/../src/a}}, then: allow}
  - {name: outside, when: {tool: open, arguments: {path: ../src/a}}, then: block}
  - {name: through a link, when: {tool: open, arguments: {path: src/out/passwd}}, then: block}
  - {name: through a link back in, when: {tool: open, arguments: {path: src/out/../home/agent/project/src/a}}, then: allow}
  - {name: round and round, when: {tool: open, arguments: {path: src/loop/a}}, then: block}
"""


def test_what_went_before_counts(tmp_path: Path) -> None:
    """Roles, prompts, results, order, limits, working directory and links: each line of the table holds."""
    result = run(tmp_path, POLICY, PASSING, "links: {src/out: /etc, src/loop: loop}\n")
    assert [difference for difference in differences(result) if difference] == []
    assert (result.passed, result.failed) == (PASSING.count("name: ") - 1, 0)  # `{name: anna}` is a result


def test_every_difference_is_named(tmp_path: Path) -> None:
    """Effect, rule, code, reason and hint, each by itself; what is not mentioned does not matter."""
    tests = "".join(
        f"  - {{name: {name}, role: viewer, when: {{tool: db, arguments: {{action: read}}}}, then: {then}}}\n"
        for name, then in [
            ("a", "block"),
            ("b", "{rule: change}"),
            ("c", "{code: default}"),
            ("d", "{reason: none}"),
            ("e", "{hint: none}"),
            ("f", "{effect: ask, rule: change, code: rule}"),
            ("g", "{rule: read}"),
        ]
    )
    assert differences(run(tmp_path, POLICY, tests)) == [("effect",), ("rule",), ("code",), ("reason",), ("hint",), ("effect", "rule"), ()]


def test_cases_do_not_see_each_other(tmp_path: Path) -> None:
    """Each is judged in a run of its own, so that limits count only what its own `given` says."""
    rows = "      - {}\n" * 10
    result = run(tmp_path, POLICY, f"  - name: a\n    when: {{tool: setup}}\n    then: allow\n    cases:\n{rows}")
    assert result.failed == 0


def test_real_tools_judge_their_arguments(tmp_path: Path) -> None:
    """With `tools` unknown names and arguments that do not fit are refused as in a run."""
    head = (
        "tools: [{type: function, function: {name: setup, parameters: {type: object, properties: {n: {type: integer}}}}},"
        " {type: function, function: {name: other}}]\n"
    )
    tests = (
        "  - {name: a, when: {tool: setup, arguments: {n: 1}}, then: allow}\n"
        "  - {name: b, when: {tool: setup, arguments: {n: '1'}}, then: {code: invalid_arguments}}\n"
        "  - {name: c, when: {tool: setup, arguments: {m: 1}}, then: {code: invalid_arguments}}\n"
        "  - {name: d, when: {tool: open, arguments: {path: src}}, then: {code: unknown_tool}}\n"
    )
    assert run(tmp_path, POLICY, tests, head).failed == 0


def test_the_tools_and_the_prompt_of_a_task(tmp_path: Path) -> None:
    """With `task` they are the task's; a case may have a prompt of its own."""
    (tmp_path / "tools.py").write_text("def send(to: str) -> str:\n    return to\n")
    (tmp_path / "task.yaml").write_text("version: 1\nprompt: Write to anna\nmodel: recorded\ntools: [{python: 'tools.py:send'}]\n")
    tests = (
        "  - {name: a, when: {tool: send, arguments: {to: anna}}, then: allow}\n"
        "  - {name: b, when: {tool: send, arguments: {to: anna, cc: bob}}, then: {code: invalid_arguments}}\n"
        "  - {name: c, prompt: Write to bob, when: {tool: send, arguments: {to: anna}}, then: block}\n"
    )
    assert run(tmp_path, POLICY, tests, "task: task.yaml\n").failed == 0


def test_only_some_cases(tmp_path: Path) -> None:
    """What is not wanted is not judged, and a file without wanted cases is left out; examples then do not count."""
    run(tmp_path, POLICY, PASSING)
    (suite,) = load_suites([str(tmp_path / "p.yaml")])
    result = run_suite(suite, lambda tests, test, case: case.role == "viewer")
    assert [test.test.name for file in result.files for test in file.results] == ["role", "malformed"]
    assert run_suite(suite, lambda tests, test, case: False).files == ()


@pytest.mark.parametrize("effect", list(Effect))
def test_a_request_is_never_asked_about(tmp_path: Path, effect: Effect) -> None:
    """Only limits decide about it, whatever the default."""
    result = run(tmp_path, f"default: {effect}\n", "  - {name: a, when: request, then: allow}\n")
    assert result.failed == 0


def test_limits_over_time_with_ids_of_their_own(tmp_path: Path) -> None:
    """What all runs together have used is said by the id that the policy gives."""
    policy = "rules: [{id: all, allow: x}]\nlimits: {per_day: {tool_calls: {max: 3, id: day-calls}}, tools: {x: {per_hour: 2}}}\n"
    tests = """\
  - name: by its own id, and by where it stands
    when: {tool: x}
    then: {effect: block, rule: day-calls}
    cases:
      - {used: {day-calls: 3}}
      - {used: {day-calls: 2}, then: allow}
      - {used: {limits.tools.x.per_hour: 2, steps: 1}, then: {effect: block, rule: limits.tools.x.per_hour}}
"""
    assert differences(run(tmp_path, policy, tests)) == [()] * 3
