"""Options that several commands share, so that they are called and explained alike."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

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
