"""Every code that loading a file can give a finding, with one line on what it means."""

from __future__ import annotations

CODES: dict[str, str] = {
    # The text itself
    "alias": 'YAML aliases (`*name`) are refused: what stands in a file must be readable where it stands. A pattern needs quotes: `"*"`.',
    "ambiguous-scalar": "A value without quotes that YAML readers take for different things: `yes`, `010`, `1e3`, `1:30`, a date.",
    "anchor": "YAML anchors (`&name`) are refused.",
    "control-character": "Control characters, lone surrogates, NEL, and characters that turn the direction of text, raw or escaped.",
    "directive": "YAML directives (`%YAML`, `%TAG`) are refused.",
    "duplicate-key": "The same key twice in one mapping, also where only the Unicode spelling differs.",
    "empty-file": "The file holds nothing but comments.",
    "empty-value": 'Nothing stands after the colon or the dash. Nothing at all would be written `[]`, `{}` or `""`.',
    "encoding": "The file is not UTF-8.",
    "merge-key": "YAML merge keys (`<<`) are refused.",
    "multi-line-plain": "A value without quotes goes on over several lines; mostly a dash or a colon is missing.",
    "non-string-key": "A key that YAML does not read as text (`on`, `1`, `null`, a list).",
    "second-document": "Only one YAML document may stand in a file.",
    "syntax": "The file is not YAML.",
    "tag": "YAML tags (`!!str`, `!x`) are refused.",
    "too-deep": "Nested deeper than 32 levels.",
    "too-large": "The file is larger than is read: 8 MiB for a policy, 1 MiB for a task or test file.",
    "too-many": "There are more errors than are shown.",
    # Keys and values
    "bad-id": "The id of a rule is lower case letters and digits with dashes between them, and no word that decisions use.",
    "bad-name": "A name (of a role, group, argument or environment variable) that cannot be one.",
    "bad-pattern": "A pattern that RE2 cannot compile; look-around and back-references do not exist there.",
    "bad-schema": "A JSON Schema that cannot be used: unknown keywords or types, references to other documents.",
    "bad-tool-name": "A tool is named by 1 to 64 letters, digits, `_`, `.` or `-`; a policy may also use `*` and `@group`.",
    "bad-value": "A value that makes no sense where it stands.",
    "empty-list": "A rule with an empty list of tools or roles: it would be about nothing.",
    "missing-key": "A key that is needed is not there.",
    "not-allowed-value": "A value that is not one of the possible ones.",
    "not-yet": "Known, but not enforced yet; refused so that nobody relies on it.",
    "out-of-range": "A number, text or list that is too small or too large.",
    "several-effects": "A rule has exactly one of `allow`, `ask` and `block`.",
    "unknown-effect": "An effect is `allow`, `ask` or `block`.",
    "unknown-key": "A key that does not exist at this place.",
    "unknown-operator": "An operator that does not exist.",
    "version": "Policies and tasks are written in version 1.",
    "wrong-type": "A value of another type than is wanted: types are exact, and nothing is converted.",
    # What belongs together
    "cycle": "Roles or groups that include each other, or files that extend each other, in a circle.",
    "different-content": "A role or group that two files define differently.",
    "duplicate-id": "Two rules, entries or limits with the same id.",
    "failing-example": "An example in a rule that does not hold.",
    "too-many-files": "A policy that extends more than 64 files.",
    "unknown-group": "A `@group` that no file defines.",
    "unknown-role": "A role that no file defines.",
    # Tasks
    "bad-template": "A command or an HTTP request whose placeholders could not be filled, or would mean something else than they seem to.",
    "bad-variable": "An environment variable that no tool gets: the one with the model's key, or one of agentgate's own.",
    "duplicate-tool": "Two tools of a task with the same name.",
    "missing-file": "A file that a task or policy names does not exist, or cannot be read.",
    "outside-folder": "A task reaches only files in its own folder and below.",
    "several-kinds": "A tool has exactly one of `python`, `command` and `http`.",
    "unknown-tool": "A tool that the task does not have.",
    # Tests
    "duplicate-test": "Two tests of a file with the same name.",
    "unknown-rule": "A test expects a rule or limit that the policy does not have.",
    # Notes
    "observe-only": "An entry that enforces nothing, because its type is `observe`, or its action `observe` or `log`.",
}
"""Code → documentation, for `check --codes`. Codes are stable."""
