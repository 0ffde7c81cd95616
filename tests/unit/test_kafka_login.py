"""How clients of Kafka get in: what the settings may say, certificates that change, and tokens."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import InvalidReplicationFactorError, TopicAuthorizationFailedError
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from infra.addresses import is_loopback
from infra.kafka import diagnosis
from infra.kafka.certificates import CertificatesContext
from infra.kafka.client_errors import of_topic
from infra.kafka.local_security import LocalSecurity, Signer, write_private
from infra.kafka.login import login_options
from infra.kafka.tokens import TokenRefused, Tokens
from infra.settings import KafkaSettings, OAuthSettings
from schemas.errors import UsageError

LOGIN = {"security_protocol": "SASL_SSL", "user": "u", "password": "hush"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bootstrap": "kafka:9092"}, "allow_clear_text: true"),
        ({"bootstrap": "127.0.0.1:9092,10.0.0.1:9092"}, "security_protocol: SASL_SSL"),
        ({"bootstrap": "127.0.0.1.example.org"}, "no clear text"),
        (LOGIN | {"bootstrap": "kafka", "security_protocol": "SASL_PLAINTEXT"}, "no clear text"),
        ({"ca_file": "ca.pem"}, "with TLS alone"),
        ({"user": "u", "password": "hush"}, "with a login alone"),
        ({"security_protocol": "SASL_SSL"}, "one of user and oauth"),
        (LOGIN | {"password_file": "p"}, "one of password and password_file"),
        ({"security_protocol": "SASL_SSL", "user": "u"}, "one of password and password_file"),
        ({"password": "hush"}, "needs its user"),
        ({"security_protocol": "SSL", "key_file": "k.pem"}, "certificate_file"),
        (LOGIN | {"oauth": {"token_url": "https://a/t", "client_id": "c", "client_secret": "hush"}}, "one of user and oauth"),
        ({"oauth": {"token_url": "http://login.example.org/t", "client_id": "c", "client_secret": "hush"}}, "https"),
        ({"oauth": {"token_url": "https://u:hush@login/t", "client_id": "c", "client_secret": "hush"}}, "without user and password"),
        ({"oauth": {"token_url": "https://login/t", "client_id": "c"}}, "client_secret_file"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any], said: str) -> None:
    """Clear text beyond this machine, and what does not fit together, is a wrong setting, whose error says what to write; no secret is quoted."""
    with pytest.raises(ValidationError) as error:
        KafkaSettings.model_validate(settings)
    messages = " ".join(one["msg"] for one in error.value.errors())
    assert (said in messages, "hush" in messages) == (True, False)


def test_what_clear_text_is_allowed() -> None:
    """On this machine without a word, elsewhere with it; TLS needs none."""
    assert [is_loopback(host) for host in ("localhost", "127.9.9.9", "[::1]", "0.0.0.0", "kafka")] == [True, True, True, False, False]  # noqa: S104 - that is the point
    KafkaSettings(bootstrap="[::1],localhost:9092")
    KafkaSettings(bootstrap="kafka", allow_clear_text=True)
    assert KafkaSettings.model_validate(LOGIN | {"bootstrap": "kafka"}).is_encrypted


def test_a_secret_is_not_shown() -> None:
    """Passwords are hidden wherever settings are printed."""
    assert "hush" not in f"{KafkaSettings.model_validate(LOGIN)!r} {KafkaSettings.model_validate(LOGIN).model_dump_json()}"


# --- certificates


async def handshake(signer: Signer, folder: Path, client: ssl.SSLContext) -> str:
    """`fine`, or what the client says of a server whose certificate this signer has signed."""
    write_private(folder / "server.pem", signer.issue("server"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server)
    async with listening:
        try:
            _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname(), ssl=client)
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        writer.close()
        return "fine"


async def test_certificates_are_reloaded(tmp_path: Path) -> None:
    """New connections use what the files hold then: a new signer is trusted, the old one is not any more, without a restart."""
    old, new = Signer.new(), Signer.new()
    old.store(tmp_path)
    context = CertificatesContext(KafkaSettings(security_protocol="SSL", ca_file=tmp_path / "ca.pem"))
    before = [await handshake(signer, tmp_path, context) for signer in (old, new)]
    new.store(tmp_path)
    after = [await handshake(signer, tmp_path, context) for signer in (old, new)]
    assert [one == "fine" for one in (*before, *after)] == [True, False, False, True]


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nbroken"])
async def test_broken_certificates_keep_those_before(tmp_path: Path, content: bytes | None) -> None:
    """A new file that cannot be used is told once, and by the check; connections go on with the one before, until a good one is there."""
    signer = Signer.new()
    signer.store(tmp_path)
    file = tmp_path / "ca.pem"
    context, good = CertificatesContext(KafkaSettings(security_protocol="SSL", ca_file=file)), file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with capture_logs() as logs:
        assert [await handshake(signer, tmp_path, context) for _ in range(2)] == ["fine", "fine"]
    assert ([line["event"] for line in logs], "kafka.ca_file" in (context.check() or "")) == (["kafka_certificates_unusable"], True)
    file.write_bytes(good)
    assert (await handshake(signer, tmp_path, context), context.check()) == ("fine", None)


@pytest.mark.parametrize("name", ["ca_file", "crl_file", "certificate_file", "password_file"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, name: str) -> None:
    """A process does not start with a file that is not there or holds something else: the setting and the file are named."""
    security = LocalSecurity(tmp_path / "security", "127.0.0.1:1", 1)
    security.make()
    for file in (tmp_path / "none", *([] if name == "password_file" else [tmp_path])):
        with pytest.raises(UsageError) as error:
            login_options(security.settings("gateway").model_copy(update={name: file}))
        assert (error.value.where, str(file) in error.value.detail) == (f"kafka.{name}", True)


def test_local_security_is_private(tmp_path: Path) -> None:
    """Folder and files of the local Kafka's users are for their owner alone, and what is there stays."""
    security = LocalSecurity(tmp_path / "security", "127.0.0.1:1", 1)
    security.make()
    files = {file: (file.stat().st_mode & 0o777, file.read_bytes()) for file in security.folder.iterdir()}
    assert (security.folder.stat().st_mode & 0o777, {mode for mode, _ in files.values()}) == (0o700, {0o600})
    security.make()
    assert {file: file.read_bytes() for file in security.folder.iterdir()} == {file: content for file, (_, content) in files.items()}


# --- tokens


@asynccontextmanager
async def token_server(answer: Callable[[], bytes]) -> AsyncIterator[tuple[OAuthSettings, list[bytes]]]:
    """A token URL that answers so, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head + await reader.read(1024))
        writer.write(answer())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/token"
        yield OAuthSettings.model_validate({"token_url": url, "client_id": "bus", "client_secret": "hush", "scope": "kafka"}), asked


def token(life_s: object, value: object = "abc") -> bytes:
    """An answer with a token of this life."""
    return ok(json.dumps({"access_token": value, "expires_in": life_s}).encode())


def ok(body: bytes) -> bytes:
    """An answer with this body."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)


async def test_a_token_is_kept_until_shortly_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked once for all connections, and again before the token ends."""
    now_s = 1000.0
    monkeypatch.setattr("infra.kafka.tokens.time.monotonic", lambda: now_s)
    async with token_server(lambda: token(100)) as (settings, asked):
        tokens = Tokens(settings)
        assert set(await asyncio.gather(*(tokens.token() for _ in range(10)))) == {"abc"}
        now_s += 79
        await tokens.token()
        assert len(asked) == 1
        now_s += 2
        await tokens.token()
    assert (len(asked), b"grant_type=client_credentials&scope=kafka" in asked[0]) == (2, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 4\r\n\r\nhush",
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.0.1/\r\ncontent-length: 0\r\n\r\n",
        ok(b"x" * 100_000),
        ok(b"[]"),
        ok(b"[" * 50_000),
        ok(b"hush"),
        token(3600, "a\nb"),
        token(3600, ["hush"]),
        token(0),
        token("hush"),
        token("NaN"),
        b"",
    ],
)
async def test_what_is_no_token_is_refused(answer: bytes) -> None:
    """An answer that is refused, too long, leads elsewhere or is something else is no token; the error quotes nothing of it."""
    async with token_server(lambda: answer) as (settings, _):
        with pytest.raises(TokenRefused) as error:
            await Tokens(settings).token()
    assert "hush" not in str(error.value)


async def test_who_answers_late_is_not_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each broker answers the second question, the error says so, and does not send the operator to start one."""

    async def answers(*_: object) -> None:
        pass

    monkeypatch.setattr(diagnosis, "_ask", answers)
    told = await diagnosis.why_unreachable(KafkaSettings())
    assert (told.problem.code, "answers now" in told.detail, "no broker" in told.detail) == ("kafka-unreachable", True, False)


def test_a_missing_right_to_a_topic_is_named() -> None:
    """Whoever makes or compares topics without the right is told of the right, and not of the number of brokers."""
    settings = KafkaSettings(security_protocol="SASL_SSL", user="audit", password=SecretStr("hush"))
    told = of_topic(settings, TopicAuthorizationFailedError.errno, "muenchen.events")
    assert (told.problem.code, told.detail) == ("kafka-not-allowed", "user audit has no right to this topic: muenchen.events")
    assert of_topic(settings, InvalidReplicationFactorError.errno, "muenchen.events").problem.code == "topic-refused"
