"""TLS to the upstream: a server that cannot prove who it is gets no request, and so no key."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from agentgate.gateway.http.client import Line
from tests.gateway.raw_http import run
from tests.gateway.test_http_client import OK, Server, ask, read, with_line


def vouched(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS with a certificate for some names, and that certificate."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    subject = ["-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={','.join(names)}"]
    subprocess.run([*made, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


NEEDS_OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl, which makes the certificate")


@NEEDS_OPENSSL
def test_a_server_must_prove_who_it_is(tmp_path: Path) -> None:
    """A certificate that nobody vouches for gets no request, and so no key."""
    context, _ = vouched(tmp_path, "IP:127.0.0.1")

    async def check() -> None:
        server = Server(OK)

        async def once(line: Line) -> None:
            with pytest.raises(ssl.SSLCertVerificationError):
                await ask(line, {"authorization": "Bearer secret"})

        await with_line(server, once, context)
        assert server.requests == []

    run(check)


@NEEDS_OPENSSL
@pytest.mark.parametrize(("name", "believed"), [("localhost", True), ("other.example", False)], ids=["own", "other"])
def test_a_certificate_is_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, believed: bool) -> None:
    """One that somebody vouches for must hold the name that was asked for, too."""
    context, certificate = vouched(tmp_path, f"DNS:{name}", "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def check() -> None:
        server = Server(OK, OK)

        async def twice(line: Line) -> None:
            if believed:
                assert [await read(line), await read(line)] == [b"ok", b"ok"]
                return
            with pytest.raises(ssl.SSLCertVerificationError):
                await read(line)

        await with_line(server, twice, context, "localhost")
        assert len(server.requests) == (2 if believed else 0)
        assert server.connections == believed

    run(check)


def test_a_server_without_tls_is_no_secure_one() -> None:
    """And gets no request."""

    async def check() -> None:
        got = bytearray()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(OK)
            with suppress(ConnectionError):
                got.extend(await reader.read())
            writer.close()

        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        line = Line(f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number"):
            await ask(line)
        await line.close()
        listening.close()
        assert b"HTTP" not in got

    run(check)
