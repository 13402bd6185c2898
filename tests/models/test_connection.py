from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from agentgate.errors import AgentgateError, ModelError, UsageError
from agentgate.models import open_model
from agentgate.models.replies import MAX_ANSWER_BYTES
from agentgate.task import ModelSettings
from tests.models.asking import KEY, PROVIDERS, ask, connect
from tests.scripted_server import Answer, ScriptedServer, body, chat, disconnect, error, hang


def failure(server: ScriptedServer | str, provider: str = "openai", *, timeout: float = 30.0, max_retries: int = 0) -> ModelError:
    """The error that asking ends in. It names a way on and holds no key."""
    with closing(connect(server, provider, timeout=timeout, max_retries=max_retries)) as model, pytest.raises(ModelError) as caught:
        ask(model)
    told = f"{caught.value.message} {caught.value.help}"
    assert KEY not in told
    assert caught.value.help
    assert caught.value.exit_code == 3
    assert caught.value.message[0].islower() or caught.value.message.startswith("`")
    assert not caught.value.message.endswith(".")
    return caught.value


STATUSES = [
    (error(401, f"Incorrect API key provided: {KEY}."), "does not accept the key in `OPENAI_API_KEY`"),
    (error(403, "Project has no access"), "may not use `gpt-test`: Project has no access"),
    (error(404, "The model `gpt-test` does not exist", code="model_not_found"), "has no model `gpt-test`"),
    (Answer(b"<html>404</html>", status=404), "there is nothing at"),
    (error(400, f"Bad header {KEY}"), "refused the request (400): Bad header [key]"),
    (error(422, "Bad body"), "refused the request (422)"),
    (error(409, "Locked"), "status 409: Locked"),
    (error(429, "Slow down"), "takes no more requests now (429)"),
    (error(429, "You exceeded your quota", code="insufficient_quota"), "has no credit left"),
    (error(500, "Oops"), "the provider failed (500)"),
    (Answer(b"<html>Bad gateway</html>", status=502), "the provider failed (502), also when asked again: no reason given"),
    (Answer(b"", status=503), "the provider failed (503)"),
    (Answer(b"<html>Sign in</html>", headers={"content-type": "text/html"}), "not strict JSON"),
    (Answer(b'{"choices": [', headers={}), "not strict JSON"),
    (Answer(b'{"choices": []}', cut_at=5), "broke off the connection"),
    (disconnect(), "broke off the connection"),
    (Answer(b"x" * (MAX_ANSWER_BYTES + 1)), f"more than {MAX_ANSWER_BYTES} bytes"),
    (Answer(b"x" * (MAX_ANSWER_BYTES + 1), status=500), f"more than {MAX_ANSWER_BYTES} bytes"),
    (Answer(b"\x1f\x8b", headers={"content-encoding": "gzip"}), "compressed"),
]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("answer", "message"), STATUSES, ids=[message for _, message in STATUSES])
def test_each_failure_is_one_message(provider: str, answer: Answer, message: str) -> None:
    """Whatever the server does wrong becomes one sentence that says so."""
    with ScriptedServer(answer) as server:
        assert message in failure(server, provider).message


def test_a_refused_connection_names_the_address() -> None:
    """The user sees which base URL was tried."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        assert failure(url).message == f"nothing listens at `{url}`"


def test_a_server_without_tls_is_said_to_be_one() -> None:
    """`https` in front of a plain server is one message, not a stack of them."""
    with ScriptedServer() as server:
        assert "no secure connection" in failure(server.url.replace("http:", "https:")).message


def test_a_hang_is_one_message() -> None:
    """A server that says nothing is given up after the time that was set."""
    with ScriptedServer(hang()) as server:
        assert failure(server, timeout=0.1).message == f"`{server.url}` did not answer within 0.1 seconds"


def test_the_client_tries_again_by_itself() -> None:
    """Busy servers and broken connections are asked again, twice by default, before anybody hears of it."""
    with (
        ScriptedServer(error(429, "Slow down"), error(500, "Oops"), chat("Hello")) as server,
        closing(connect(server, max_retries=2)) as model,
    ):
        assert ask(model).message["content"] == "Hello"
    assert len(server.requests) == 3


def test_after_its_retries_the_client_gives_up() -> None:
    """A server that stays busy is asked no more often than that."""
    with ScriptedServer(*[error(429, "Slow down")] * 5) as server:
        assert "429" in failure(server, max_retries=2).message
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """The key never goes to another address than the configured one, and never there twice."""
    with ScriptedServer(chat("Hello")) as other, ScriptedServer(Answer(status=status, headers={"location": f"{other.url}/x"})) as server:
        told = failure(server).message
        assert told == f"`{server.url}` redirects to `http://127.0.0.1`, which is not followed"
    assert other.requests == []
    assert len(server.requests) == 1


def test_closing_cuts_a_request_short() -> None:
    """`close` from another thread ends a request that hangs, and the server sees the connection go."""
    with ScriptedServer(hang()) as server, ThreadPoolExecutor(1) as pool:
        model = connect(server)
        asked = pool.submit(ask, model)
        server.wait_for_request()
        model.close()
        with pytest.raises(ModelError, match="given up"):
            asked.result()
        server.wait_for_hangup()
        model.close()
        with pytest.raises(ModelError, match="given up"):
            ask(model)
    assert len(server.requests) == 1


def test_a_closed_model_does_not_try_again() -> None:
    """Closing while the server makes the client wait ends its retries."""
    answered = threading.Event()

    def fail(_: object) -> Answer:
        answered.wait(10)
        return error(500, "Oops")

    with ScriptedServer(fail, chat("Hello")) as server, ThreadPoolExecutor(1) as pool:
        model = connect(server, max_retries=2)
        asked = pool.submit(ask, model)
        server.wait_for_request()
        model.close()
        answered.set()
        with pytest.raises(ModelError, match="given up"):
            asked.result()
        for thread in threading.enumerate():
            if thread.name == "agentgate-model":
                thread.join(10)
    assert len(server.requests) == 1


def test_a_missing_key_is_said_before_anything_is_sent() -> None:
    """Opening fails at once, with both ways on."""
    with pytest.raises(ModelError) as caught:
        open_model(ModelSettings("openai", "gpt-test"), environ={})
    assert caught.value.message == "`OPENAI_API_KEY` is not set"
    assert caught.value.help == "set it, or use `--model recorded`"


def test_the_key_comes_from_the_variable_that_the_task_names() -> None:
    """`api_key_env` is looked up in the environment that is handed in, nowhere else."""
    with ScriptedServer(chat("Hello")) as server, closing(connect(server, environ={"OTHER": "sk-other"}, api_key_env="OTHER")) as model:
        ask(model)
    assert server.requests[0].headers["authorization"] == "Bearer sk-other"
    with pytest.raises(ModelError, match="`OTHER` is not set"):
        open_model(ModelSettings("openai", "m", api_key_env="OTHER"), environ={"OPENAI_API_KEY": KEY})


def test_a_server_on_this_machine_needs_neither_key_nor_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local servers work without a key; no other one is sent instead, and no proxy is asked to connect to this machine."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-elsewhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with ScriptedServer(chat("Hello")) as server, closing(connect(server, environ={})) as model:
        ask(model)
    assert server.requests[0].headers["authorization"] == "Bearer none"


def test_a_local_server_that_wants_a_key_says_so() -> None:
    """401 without a key is a missing key, not a wrong one."""
    told = "wants a key, and `OPENAI_API_KEY` is not set"
    with ScriptedServer(error(401, "no")) as server, closing(connect(server, environ={})) as model, pytest.raises(ModelError, match=told):
        ask(model)


@pytest.mark.parametrize("key", ["sk-1\n", "sk 1", "sk-ü", "sk-\x00"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str) -> None:
    """A line break in a key would end up in an error of the HTTP client, key and all."""
    with pytest.raises(ModelError) as caught:
        open_model(ModelSettings("openai", "m"), environ={"OPENAI_API_KEY": key})
    assert caught.value.message == "`OPENAI_API_KEY` holds characters that no key has"


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://localhost",
        "http://",
        "http:///v1",
        "http://[::1",
        "http://localhost:99999",
        "http://localhost:0",
        "http://a b",
        "\n",
        "http://\x00",
    ],
)
def test_an_address_that_is_none_is_wrong_usage(url: str) -> None:
    """A bad `base_url` is said before anything starts."""
    with pytest.raises(UsageError, match="is not the address of a server"):
        connect(url)


@pytest.mark.parametrize("url", ["http://user:hunter2@localhost/v1", "http://localhost/v1?key=hunter2", "http://localhost/v1#hunter2"])
def test_an_address_with_a_secret_is_refused_without_showing_it(url: str) -> None:
    """Secrets belong into the environment; one in the address would be in every message."""
    with pytest.raises(UsageError) as caught:
        connect(url)
    assert "hunter2" not in f"{caught.value.message} {caught.value.help}"


@pytest.mark.parametrize(("provider", "name"), [("openai", ""), ("openai-responses", ""), ("anthropic", "x"), ("", "")])
def test_settings_that_name_no_model_are_wrong_usage(provider: str, name: str) -> None:
    """An unknown provider and a missing name are said before anything starts, with what would be right."""
    with pytest.raises(AgentgateError) as caught:
        open_model(ModelSettings(provider, name), environ={"OPENAI_API_KEY": KEY})
    assert isinstance(caught.value, UsageError)
    assert caught.value.help


def test_the_variable_for_the_address_is_honoured() -> None:
    """`OPENAI_BASE_URL` counts where the task names no address."""
    with ScriptedServer(body({"error": {"message": "boom"}})) as server:
        settings = ModelSettings("openai", "m")
        with closing(open_model(settings, environ={"OPENAI_BASE_URL": server.url})) as model, pytest.raises(ModelError, match="boom"):
            ask(model)


def test_half_a_character_is_not_sent() -> None:
    """A conversation that no request can carry is one message."""
    with ScriptedServer() as server, closing(connect(server)) as model, pytest.raises(ModelError, match="half a character"):
        ask(model, messages=[{"role": "user", "content": "\ud800"}])
    assert server.requests == []
