"""What a command imports in a hurry works as it does otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
import re, sys
if sys.argv[1] == "quickly":
    from agentgate.cli.starting import import_quickly
    import_quickly()
    assert "typing_extensions" not in sys.modules
import msgspec, yaml
assert isinstance(re.compile("x"), re.Pattern)
TEXT = "[2026-01-01, 2026-01-01 10:20:30, 1e3, 0x1F, 1:30, yes, ~, .inf, 'ä\\U0001F600', x]"
for loader in (yaml.SafeLoader, yaml.CSafeLoader):
    print(yaml.load(TEXT, Loader=loader))
    try:
        yaml.load("\\x07", Loader=loader)
    except yaml.YAMLError as error:
        print(type(error).__name__, str(error).splitlines()[0])
class Shape(msgspec.Struct):
    one: int
    two: list[str] | None = None
print(msgspec.json.decode(b'{"one": 1, "two": ["x"]}', type=Shape))
try:
    msgspec.json.decode(b'{"one": "1"}', type=Shape)
except msgspec.ValidationError as error:
    print(error)
import typing_extensions
print(typing_extensions.Required is not None)
"""


def test_as_otherwise() -> None:
    """Both readers of PyYAML, msgspec, and who asks for typing_extensions afterwards."""
    said = [
        subprocess.run([sys.executable, "-c", CODE, how], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for how in ("quickly", "as usual")
    ]
    assert said[0] == said[1]
    assert len(said[0].splitlines()) == 7
