"""Options that several commands share, so that they are called and explained alike."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer


class Format(StrEnum):
    """How a run is shown."""

    TABLE = "table"
    PLAIN = "plain"
    JSONL = "jsonl"


class Approve(StrEnum):
    """Who answers when the policy asks."""

    PROMPT = "prompt"
    NEVER = "never"
    ALWAYS = "always"
    LATER = "later"


Policies: TypeAlias = Annotated[
    list[str],
    typer.Option(
        "--policy", "-p", help="The policy; several are merged, `-` is standard input.", envvar="AGENTGATE_POLICY", metavar="FILE"
    ),
]
Role: TypeAlias = Annotated[str | None, typer.Option("--role", help="The role that calls are judged in.", metavar="ROLE")]
State: TypeAlias = Annotated[
    str | None,
    typer.Option("--state", help="The folder with transcripts, stops and what limits remember; .agentgate by default.", metavar="FOLDER"),
]
FormatOption: TypeAlias = Annotated[
    Format | None, typer.Option("--format", "-f", help="table on a terminal, plain in a pipe.", envvar="AGENTGATE_FORMAT")
]
FailOnBlock: TypeAlias = Annotated[
    bool, typer.Option("--fail-on-block", help="Exit 1 where a call was blocked; told at the end.", envvar="AGENTGATE_FAIL_ON_BLOCK")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Only the final answer.", envvar="AGENTGATE_QUIET")]
Verbose: TypeAlias = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, help="More of results and long values; twice for all.", envvar="AGENTGATE_VERBOSE"),
]
ApproveOption: TypeAlias = Annotated[
    Approve | None,
    typer.Option("--approve", help="Who answers when the policy asks; with `later` the run ends as waiting.", show_default=False),
]
ApproverOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--approver", help="Ask a program (`command:./script`) or a server (`https://…`) instead.", metavar="WHO"),
]
SecretOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--approver-secret-env", help="The variable with the secret that signs questions and answers.", metavar="NAME"),
]
TimeoutOption: TypeAlias = Annotated[
    float, typer.Option("--approval-timeout", help="Seconds after which no answer is a no.", min=1, max=86400, metavar="SECONDS")
]
ASK_SECONDS = 300.0
"""How long an answer is waited for."""
