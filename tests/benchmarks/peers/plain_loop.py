# /// script
# dependencies = []
# ///
"""What a short script would do: `json.loads`, `fnmatch` and `re`, every rule until a block."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

from measuring import Judge, serve


def prepare(work: dict[str, Any]) -> Judge:
    rules = []
    for rule in work["rules"]:
        pattern = re.compile(re.escape(rule["value"])) if rule["test"] == "contains" else None
        rules.append((rule["tool"], rule["argument"], rule["value"], pattern, rule["effect"]))

    def judge(tool: str, arguments: str) -> bool:
        values = json.loads(arguments)
        allowed = False
        for glob, argument, value, pattern, effect in rules:
            if not fnmatchcase(tool, glob):
                continue
            if argument is not None:
                given = values.get(argument)
                if not (given == value if pattern is None else isinstance(given, str) and pattern.search(given)):
                    continue
            if effect == "block":
                return False
            allowed = True
        return allowed

    return judge


if __name__ == "__main__":
    serve(prepare)
