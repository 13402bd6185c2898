"""A program that calls a tool which never answers. Arguments: a witness."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from agentgate.core.events import Code, Decision, Digest, Effect, ToolCall
from agentgate.task import ModelSettings, PythonFunction, Task, ToolSource
from agentgate.tools import open_toolbox

if __name__ == "__main__":
    folder = Path(__file__).parent
    source = ToolSource(name="hangs", runs=PythonFunction(str(folder / "misbehaving.py"), "hangs"))
    task = Task("t", "p", ModelSettings("openai"), Digest("t", "0" * 64), str(folder), tools=(source,))
    arguments = {"witness": sys.argv[1]}
    with open_toolbox(task, environ=os.environ) as toolbox:
        decision = Decision(Effect.ALLOW, Code.RULE, None, "", arguments=arguments)
        toolbox.execute(ToolCall("call_1", "hangs", json.dumps(arguments)), decision)
