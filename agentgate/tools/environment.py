"""Which environment variables tools see.

All of the operator's, because tools need their own keys, proxies and paths, except

* the variable that the task names for the model's key (`api_key_env`), and `OPENAI_API_KEY`;
* every variable whose value is one of those keys, or contains it;
* every variable that begins with `AGENTGATE_`, because the gateway's keys are among them.

A tool runs as the operator's own user. This keeps the key out of its way, it does not lock it up.
"""

from __future__ import annotations

from collections.abc import Mapping

_LONG_ENOUGH = 8
"""Characters from which on a key is looked for inside other values; a shorter one would be found by chance."""


def tool_environment(environ: Mapping[str, str], api_key_env: str) -> dict[str, str]:
    """The environment of the worker process, made from the operator's."""
    named = {api_key_env, "OPENAI_API_KEY"}
    keys = {environ[name] for name in named if environ.get(name)}
    return {
        name: value
        for name, value in environ.items()
        if name not in named and not name.startswith("AGENTGATE_") and not any(_reveals(value, key) for key in keys)
    }


def _reveals(value: str, key: str) -> bool:
    return value == key or (len(key) >= _LONG_ENOUGH and key in value)
