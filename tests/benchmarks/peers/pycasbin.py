# /// script
# dependencies = ["casbin>=1.36"]
# ///
"""pycasbin: a model with deny-override, `keyMatch` for names, and a function of our own for arguments, for which it has none."""

import json
import logging
from typing import Any

import casbin
from casbin import Enforcer
from measuring import Judge, serve

MODEL = """
[request_definition]
r = tool, arguments
[policy_definition]
p = tool, argument, test, value, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = keyMatch(r.tool, p.tool) && holds(r.arguments, p.argument, p.test, p.value)
"""


def prepare(work: dict[str, Any]) -> Judge:
    logging.disable(logging.CRITICAL)  # it logs every refusal
    model = casbin.Model()
    model.load_model_from_text(MODEL)
    enforcer = Enforcer(model)
    enforcer.add_function("holds", _holds)
    enforcer.add_policies(
        [
            [
                rule["tool"],
                rule["argument"] or "",
                rule["test"] or "",
                rule["value"] or "",
                "allow" if rule["effect"] == "allow" else "deny",
            ]
            for rule in work["rules"]
        ]
    )

    def judge(tool: str, arguments: str) -> bool:
        return bool(enforcer.enforce(tool, json.loads(arguments)))

    return judge


def _holds(arguments: dict[str, Any], argument: str, test: str, value: str) -> bool:
    if not test:
        return True
    given = arguments.get(argument)
    return given == value if test == "is" else isinstance(given, str) and value in given


if __name__ == "__main__":
    serve(prepare)
