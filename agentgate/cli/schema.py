"""`agentgate schema`: the JSON Schema of the files, for editors."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """Which file."""

    POLICY = "policy"
    TASK = "task"
    TEST = "test"


def schema(kind: Annotated[Kind, typer.Argument(help="Which file.", metavar="policy|task|test", show_default=False)]) -> None:
    """Prints the JSON Schema (draft-07) of a file, for editors.

    Save it beside the file and name it in the first line: `# yaml-language-server: $schema=policy.schema.json`.
    """
    import json
    import sys

    from agentgate.output.sink import Sink

    if kind is Kind.POLICY:
        from agentgate.files.policy_schema import policy_schema as made
    elif kind is Kind.TASK:
        from agentgate.files.task_schema import task_schema as made
    else:
        from agentgate.files.test_schema import schema_of_tests as made
    out = Sink(sys.stdout)
    out.write(json.dumps(made(), indent=2, ensure_ascii=False) + "\n")
    out.check()
