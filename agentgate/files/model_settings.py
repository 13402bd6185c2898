"""Which model a task asks, and how: `PROVIDER:NAME`, or a mapping."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.errors import UsageError
from agentgate.files.errors import error
from agentgate.files.parts import whole
from agentgate.files.task_schema import PROVIDERS
from agentgate.files.validation import Path
from agentgate.files.words import did_you_mean, tick
from agentgate.files.yaml import Document
from agentgate.task import ModelSettings, Price


def split_model(model: str) -> tuple[str, str]:
    """Provider and name of a model that is written `PROVIDER:NAME`; `recorded` may stand alone.

    Raises:
        UsageError: it is written otherwise, or the provider does not exist.
    """
    provider, _, name = model.partition(":")
    if provider not in PROVIDERS:
        known = ", ".join(f"`{item}:NAME`" for item in PROVIDERS[:-1]) + ", `recorded`"
        raise UsageError(f"unknown model {tick(model)}", help=did_you_mean(provider, PROVIDERS) or f"write {known}")
    if not name and provider != "recorded":
        raise UsageError(f"the model {tick(model)} has no name", help=f"write `{provider}:NAME`")
    return provider, name


def model_settings(document: Document, value: dict[str, Any]) -> tuple[ModelSettings | None, list[Finding]]:
    """The settings of a task whose `model` its schema has passed; None where a finding says why not."""
    written = value.get("model", "recorded" if "recording" in value else None)
    if written is None:
        help = "write `model: openai:NAME`, or name a `recording`"
        return None, [error("missing-key", document.value_place(()), "the key `model` is missing", help)]
    if isinstance(written, str):
        provider, name = split_model(written)
        return ModelSettings(provider, name), []
    path: Path = ("model",)
    findings = list(whole(document, (*path, "max_output_tokens"), written.get("max_output_tokens", 1)))
    if "name" not in written and written["provider"] != "recorded":
        findings.append(error("missing-key", document.value_place(path), "the key `name` is missing"))
    if "base_url" in written and (problem := _bad_url(written["base_url"])):
        findings.append(error("bad-value", document.value_place((*path, "base_url")), problem, "for instance `http://localhost:11434/v1`"))
    price = written.get("price")
    settings = ModelSettings(
        provider=written["provider"],
        name=written.get("name", ""),
        base_url=written.get("base_url"),
        api_key_env=written.get("api_key_env", "OPENAI_API_KEY"),
        temperature=written.get("temperature"),
        max_output_tokens=written.get("max_output_tokens"),
        price=None if price is None else Price(price["input"], price["output"], price.get("cached_input")),
    )
    return settings, findings


def key_variable(written: Json) -> str:
    """The environment variable with the model's key, whatever else is wrong with the task's `model`."""
    name = written.get("api_key_env") if isinstance(written, dict) else None
    return name if isinstance(name, str) else "OPENAI_API_KEY"


def _bad_url(url: str) -> str | None:

    try:
        parts = urlsplit(url)
        port_is_possible = parts.port != 0
    except ValueError:
        return f"{tick(url)} is not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_possible or " " in url:
        return f"{tick(url)} is not the URL of a server"
    if parts.username is not None or parts.password is not None:
        return "a URL with a user name or password in it"
    if parts.query or parts.fragment:
        return f"{tick(url)} has a query or fragment"
    return None
