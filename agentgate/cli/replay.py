"""`agentgate replay`: judges recorded runs again, under another policy."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from agentgate.cli.dividing import Engine
from agentgate.cli.options import Policies, Role
from agentgate.cli.replays import FailOn, Format, replay_and_show

EngineOption: TypeAlias = Annotated[Engine, typer.Option("--engine", help="ray: on a Ray cluster (needs the extra `ray`).")]
RayAddress: TypeAlias = Annotated[
    str | None,
    typer.Option("--ray-address", help="Of the cluster; else RAY_ADDRESS, else one is started here.", metavar="ADDRESS"),
]
_FORMS = "native, anthropic, chat, claude-code, codex, inspect, otlp or responses"


def replay(
    transcripts: Annotated[
        list[str], typer.Argument(help="Transcripts: files, folders, globs, - for standard input.", metavar="TRANSCRIPT...")
    ],
    policy: Policies = [],  # noqa: B006 - typer reads the default, nobody changes it
    against: Annotated[
        list[str],
        typer.Option("--against", help="Compare with this policy rather than with the recorded decisions.", metavar="FILE"),
    ] = [],  # noqa: B006
    role: Role = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="json: one object; jsonl: one object a call.")] = Format.TABLE,
    compare: Annotated[
        str | None,
        typer.Option("--compare", help="Policies as columns, instead of --policy: --compare A B C.", metavar="FILE..."),
    ] = None,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="Exit 1 where a decision is another than before: which way.")] = FailOn.NONE,
    fail_on_flip: Annotated[bool, typer.Option("--fail-on-flip", help="The same as --fail-on any.")] = False,
    to_test: Annotated[
        str | None,
        typer.Option("--to-test", help="Write what flipped, or else every distinct call, as tests of the policy.", metavar="FILE"),
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", help="Write the result as one HTML page, too; an older one is replaced.", metavar="FILE")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", help="How many processes judge. By default all cores, where there is much.", min=1),
    ] = None,
    engine: EngineOption = Engine.LOCAL,
    ray_address: RayAddress = None,
    form: Annotated[
        str | None,
        typer.Option("--from", help=f"What the transcripts are: {_FORMS}. By default their content tells.", metavar="FORM"),
    ] = None,
) -> None:
    """Judges recorded runs again, and shows what is decided otherwise.

    No model is called and nothing is executed. Exits 1 where something could not be read or, with --fail-on-flip, flipped.
    """
    code = replay_and_show(
        transcripts,
        policy,
        against,
        role=role,
        format=format,
        compare=compare,
        fail_on=fail_on,
        fail_on_flip=fail_on_flip,
        to_test=to_test,
        report=report,
        jobs=jobs,
        engine=engine,
        ray_address=ray_address,
        form=form,
    )
    raise typer.Exit(code)
