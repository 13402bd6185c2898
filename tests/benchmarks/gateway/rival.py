"""LiteLLM's proxy with its check of tools, as something to compare with. It is installed into an environment that is thrown away.

`LITELLM` may name an installed `litellm` program instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KEY = "sk-benchmark-0123456789"
_INSTALL_SECONDS = 900
_CONFIGURATION = """\
model_list:
  - model_name: stub
    litellm_params: {{model: openai/stub, api_base: "http://127.0.0.1:{port}/v1", api_key: sk-stub}}
guardrails:
  - guardrail_name: tools
    litellm_params:
      guardrail: tool_permission
      mode: post_call
      default_on: true
      default_action: deny
      on_disallowed_action: block
      rules:
        - {{id: read, tool_name: read, decision: allow, allowed_param_patterns: {{path: '^[a-z]+[.]txt$'}}}}
litellm_settings: {{telemetry: false}}
"""


def command(folder: Path, upstream: int, port: int) -> list[str] | None:
    """How it is started, installed where it is not there; None where it cannot be had."""
    program = os.environ.get("LITELLM") or _installed(folder / "rival")
    if program is None:
        return None
    (folder / "litellm.yaml").write_text(_CONFIGURATION.format(port=upstream))
    return [program, "--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]


def environment() -> dict[str, str]:
    """What it needs to know: no prices from elsewhere, as in production."""
    return {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}


def _installed(folder: Path) -> str | None:
    sys.stderr.write("installing LiteLLM into an environment of its own, which takes some minutes\n")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "litellm[proxy]"]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=120)
        subprocess.run(pip, check=True, capture_output=True, timeout=_INSTALL_SECONDS)
    except (subprocess.SubprocessError, OSError):
        return None
    return str(folder / "bin" / "litellm")
