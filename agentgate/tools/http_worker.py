"""The process that makes the requests of HTTP tools: one at a time, without proxies, cookies, redirects or retries.

There is no time limit in here: the parent's covers the whole exchange, and kills.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json
from agentgate.tools.results import MAX_RESULT_BYTES, Unusable, fitted, sound, to_json
from agentgate.tools.serving import serve

if TYPE_CHECKING:
    import httpx2

_SHOWN = ("content-type", "content-language", "etag", "last-modified", "link", "location", "retry-after", "x-request-id")
"""The headers of an answer that a model is told."""
_MAX_HEADER = 2000
_CHARSETS = {"iso-8859-1": "latin-1", "latin-1": "latin-1", "latin1": "latin-1", "windows-1252": "cp1252", "us-ascii": "ascii"}
"""Others are read as UTF-8."""
_NOT_SENT = ("ConnectError", "LocalProtocolError", "UnsupportedProtocol", "InvalidURL")
"""Failures after which certainly nothing reached the server."""
_WHY = {
    "ReadError": "the connection broke while the answer was read",
    "WriteError": "the connection broke while the request was sent",
    "RemoteProtocolError": "the answer is not valid HTTP, or broke off",
}
"""What is said about a failure. Its own text may hold a secret header."""


def main(requests: int, answers: int) -> NoReturn:
    """Serves requests until the other side closes the pipe.

    Args:
        requests: the descriptor to read from.
        answers: the descriptor to write to.
    """
    serve(requests, answers, Requests().answer)


class Requests:
    """Makes requests."""

    def __init__(self) -> None:
        self._tls: Any = None

    def answer(self, message: dict[str, Json]) -> bytes:
        """Serves one request of the parent. Never raises."""
        reached = False
        try:
            if message.pop("do") == "open":
                import httpx2

                self._tls = httpx2.create_ssl_context(trust_env=False)
                return _said({"ok": True})
            reached = True
            return _said({"ok": True, **self._call(**message)})
        except Exception as error:
            name = type(error).__name__
            why = sound(f"no connection: {error}", 200) if name == "ConnectError" else _WHY.get(name, name)
            if isinstance(error, Unwanted):
                why = str(error)
            return _said({"ok": False, "error": why, "reached": reached and name not in _NOT_SENT})

    def _call(self, method: str, origin: str, target: str, headers: list[list[str]], cap: int, **body: Json) -> dict[str, Json]:
        import httpx2

        content = None
        sent = [(name, value) for name, value in headers]
        if "json" in body:
            content = json.dumps(body["json"], ensure_ascii=False, allow_nan=False).encode()
            sent = _with_default(sent, "Content-Type", "application/json")
        elif "form" in body:
            content = body["form"].encode()
            sent = _with_default(sent, "Content-Type", "application/x-www-form-urlencoded")
        with httpx2.Client(verify=self._tls, trust_env=False, timeout=None, follow_redirects=False, default_encoding="utf-8") as client:
            client.headers.clear()
            request = client.build_request(
                method,
                origin,
                headers=[*sent, ("Accept-Encoding", "identity")],
                content=content,
                extensions={"target": target.encode("ascii")},
            )
            response = client.send(request, stream=True)
            try:
                return _result(response, cap)
            finally:
                response.close()


class Unwanted(Exception):
    """An answer that is not read."""


def _with_default(headers: list[tuple[str, str]], name: str, value: str) -> list[tuple[str, str]]:
    return headers if any(given.lower() == name.lower() for given, _ in headers) else [*headers, (name, value)]


def _result(response: httpx2.Response, cap: int) -> dict[str, Json]:
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Unwanted("the answer is compressed, which was not asked for")
    data, cut = bytearray(), False
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > cap:
            del data[cap:]
            cut = True
            break
    shown = {name: sound(response.headers[name], _MAX_HEADER) for name in _SHOWN if name in response.headers}
    result: dict[str, Json] = {"status": response.status_code, "headers": shown}
    if response.is_redirect:
        result["note"] = "a redirect, which was not followed"
    kind, _, parameters = response.headers.get("content-type", "").lower().partition(";")
    if not cut and _is_json(kind.strip()):
        try:
            whole = {**result, "body": parse_json(bytes(data))}
            text, _ = to_json(whole)
            return {"result": json.loads(text), "truncated": False}
        except (InvalidJson, Unusable):
            pass
    result["body"] = data.decode(_charset(parameters), "replace")
    cut = fitted(result, ("body",), MAX_RESULT_BYTES - 100) or cut
    return {"result": {**result, "truncated": True} if cut else result, "truncated": cut}


def _is_json(kind: str) -> bool:
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return _CHARSETS.get(value.strip().strip('"'), "utf-8")
    return "utf-8"


def _said(answer: dict[str, Json]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
