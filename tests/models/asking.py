"""What the tests of models have in common: a model that is pointed at a scripted server."""

from __future__ import annotations

from typing import Any

from agentgate.models import open_model
from agentgate.models.port import Model, Reply
from agentgate.task import ModelSettings
from tests.scripted_server import ScriptedServer

KEY = "sk-secret-0123456789"

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": {"type": "object", "properties": {}}}}
    for name in ("read", "write")
]

PROMPT: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]

PROVIDERS = ("openai", "openai-responses")


def connect(
    server: ScriptedServer | str,
    provider: str = "openai",
    *,
    environ: dict[str, str] | None = None,
    timeout: float = 30.0,
    max_retries: int = 0,
    **settings: Any,
) -> Model:
    """A model behind this server, or this URL."""
    url = server if isinstance(server, str) else server.url
    known = ModelSettings(provider, "gpt-test", base_url=url, **settings)
    return open_model(known, environ={"OPENAI_API_KEY": KEY} if environ is None else environ, timeout=timeout, max_retries=max_retries)


def ask(model: Model, tool_choice: Any = "auto", *, messages: list[dict[str, Any]] = PROMPT, tools: list[dict[str, Any]] = TOOLS) -> Reply:
    """Asks with the common conversation and tools."""
    return model.ask(messages, tools, tool_choice)
