from __future__ import annotations

import socket
import ssl

import httpx2
import openai
import pytest

from agentgate.models.failures import Target, explain

TARGET = Target(url="https://api.example.com/v1", model="gpt-test", key_env="OPENAI_API_KEY", key="sk-secret", timeout=60)
REQUEST = httpx2.Request("POST", "https://api.example.com/v1/chat/completions")


def caused(*causes: BaseException) -> openai.APIConnectionError:
    """A connection error of the client with these causes, from the outermost to the first."""
    error = openai.APIConnectionError(request=REQUEST)
    current: BaseException = error
    for cause in causes:
        current.__cause__ = cause
        current = cause
    return error


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (caused(httpx2.ConnectError("x"), socket.gaierror(-2, "Name or service not known")), "the host `api.example.com`"),
        (caused(httpx2.ConnectError("x"), ConnectionRefusedError(111, "refused")), "nothing listens"),
        (caused(httpx2.ConnectError("x"), untrusted()), "is not trusted: self-signed certificate"),
        (caused(httpx2.ConnectError("x"), ssl.SSLError(1, "wrong version number")), "no secure connection"),
        (caused(httpx2.ConnectError("x"), OSError(101, "Network is unreachable")), "the connection to `https://api.example.com/v1` failed"),
        (caused(httpx2.ProxyError("403 Forbidden")), "the proxy did not connect"),
        (caused(httpx2.RemoteProtocolError("x")), "broke off"),
        (caused(), "the connection to `https://api.example.com/v1` failed"),
        (openai.APITimeoutError(request=REQUEST), "did not answer within 60 seconds"),
    ],
)
def test_what_cannot_be_staged_on_loopback_has_its_message_too(error: Exception, message: str) -> None:
    """Names that are unknown, certificates that are not trusted, proxies: each is one message with a way on."""
    told = explain(error, TARGET)
    assert message in told.message
    assert told.help


def test_a_connection_that_is_not_made_in_time_is_told_from_a_slow_answer() -> None:
    """The user looks at the network in one case, at the model in the other."""
    error = openai.APITimeoutError(request=REQUEST)
    error.__cause__ = httpx2.ConnectTimeout("x")
    assert "no connection in time" in explain(error, TARGET).message


def test_circular_causes_end() -> None:
    """Exceptions can be each other's cause."""
    first, second = caused(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert "failed" in explain(first, TARGET).message


def test_bugs_stay_bugs() -> None:
    """An exception that no provider can cause is not dressed up as a failure of one."""
    with pytest.raises(ZeroDivisionError):
        explain(ZeroDivisionError(), TARGET)
