"""What `agentgate check` does once its command line is read."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.checking import Checked


class Format(StrEnum):
    """How findings are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def check_and_show(
    files: Sequence[str],
    *,
    task: str | None = None,
    format: Format | None = None,
    strict: bool = False,
    fix: bool = False,
    codes: bool = False,
) -> int:
    """Checks files and shows what was found, or explains all codes; gives the exit code.

    Raises:
        UsageError: no file is given.
        OutsideError: the result cannot be written.
    """
    from agentgate.output.errors import print_error
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    shown = format or (Format.GITHUB if os.environ.get("GITHUB_ACTIONS") == "true" else Format.TEXT)
    out = Sink(sys.stdout)
    if codes:
        from agentgate.output.codes import codes_as_json, codes_as_text

        out.write(codes_as_json() if shown is Format.JSON else codes_as_text())
        out.check()
        return 0
    if not files:
        raise UsageError("no file is given", help="name a policy or a task, or `-` for standard input")
    from agentgate.checking import check_files

    checks = check_files(files, task=task, fix=fix)
    err = Sink(sys.stderr)
    for mended in (finding for one in checks.files for finding in one.mended):
        err.write(f"mended {safe(str(mended.place))}: {mended.code}: {safe(mended.message)}\n")
    out.write(_text(checks.files, shown))
    for error in checks.errors:
        print_error(error)
    out.check()
    failed = any(one.failed(strict=strict) for one in checks.files)
    return max((error.exit_code for error in checks.errors), default=int(failed))


def _text(checked: list[Checked], format: Format) -> str:
    from agentgate.output.findings import render, summary, text

    if format is Format.TEXT:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return "".join(text(one.findings, one.sources, color=color) + summary(one.file, one.findings) + "\n" for one in checked)
    from agentgate.output.codes import summaries

    return render([finding for one in checked for finding in one.findings], format.value, summaries=summaries())
