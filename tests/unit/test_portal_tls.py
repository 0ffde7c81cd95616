"""TLS at the portals' port: files that do not fit are told at the start, new ones are taken over, and a handshake is bounded as all else is."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from infra.web.certificate import Certificate
from schemas.errors import UsageError
from stadtbus.processes import certificate_of, run_gateway
from stadtbus.settings import Settings
from tests import certificates
from tests.gateway import PORTALS, register_of
from tests.http_door import Served, closed_after_s, everything, served

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return certificates.write(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def door(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with TLS, few places and short times."""
    with served(tmp_path_factory.mktemp("door"), tls=files, connections=20, per_peer=20, head_s=1, drain_s=1, look_s=0.1) as one:
        yield one


def secured(door: Served, **versions: ssl.TLSVersion) -> ssl.SSLSocket:
    """A caller whose handshake is done, with these bounds of versions."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, version in versions.items():
        setattr(context, name, version)
    return context.wrap_socket(door.connect())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_go_through_tls(door: Served, version: ssl.TLSVersion) -> None:
    """Both versions that are taken carry a request, an early answer with it, and the connection is closed after that."""
    with secured(door, minimum_version=version, maximum_version=version) as caller:
        caller.sendall(WHOLE)
        assert caller.recv(15) == b"HTTP/1.1 200 OK"
    with secured(door, maximum_version=version) as caller:
        caller.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        received, closed = everything(caller)
        assert (received[:12], closed) == (b"HTTP/1.1 401", True)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_are_refused(door: Served) -> None:
    """TLS 1.1 ends in the handshake."""
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        secured(door, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1),
    ):
        pass


def test_clear_text_gets_no_answer(door: Served) -> None:
    """Whoever speaks HTTP to the port of TLS is closed."""
    answer, closed = door.ask(WHOLE)
    assert (answer.startswith(b"HTTP"), closed) == (False, True)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["idle", "half a hello"])
def test_a_handshake_has_to_come_in_time(door: Served, sent: bytes) -> None:
    """It counts to the time for a head; and those who hold it up make room for others."""
    with door.connect() as caller:
        caller.sendall(sent)
        assert 0.5 < closed_after_s(caller) < 3
    with contextlib.ExitStack() as open_ones:
        for _ in range(60):
            open_ones.enter_context(door.connect()).sendall(sent)
        with secured(door) as caller:
            caller.sendall(WHOLE)
            assert caller.recv(15) == b"HTTP/1.1 200 OK"
    assert door.log.stat().st_size < 10_000


def spoil(files: tuple[Path, Path], folder: Path, what: str) -> tuple[Path, Path]:
    """The files with one thing wrong."""
    certificate, key = (Path(shutil.copy(file, folder)) for file in files)
    match what:
        case "missing":
            certificate.unlink()
        case "key missing":
            key.unlink()
        case "no PEM":
            certificate.write_text("hello")
        case "no key":
            key.write_text("hello")
        case "other key":
            key = certificates.write(folder, "other")[1]
        case "password":
            certificate, key = certificates.write(folder, "locked", password=b"hush")
        case "expired":
            certificate, key = certificates.write(folder, "old", days=(-3, -1))
        case "not yet":
            certificate, key = certificates.write(folder, "new", days=(1, 3))
    return certificate, key


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("missing", "http.tls.certificate: No such file"),
        ("key missing", "http.tls.key: No such file"),
        ("no PEM", "http.tls.certificate: there is no certificate"),
        ("no key", "http.tls.key: there is no key"),
        ("other key", "http.tls.key: the key is that of another"),
        ("password", "http.tls.key: there is no key in it without a password"),
        ("expired", "http.tls.certificate: it is valid from"),
        ("not yet", "http.tls.certificate: it is valid from"),
    ],
)
def test_what_is_wrong_is_told_at_the_start(files: tuple[Path, Path], tmp_path: Path, what: str, told: str) -> None:
    """Each has a code, the setting and the cause."""
    with pytest.raises(UsageError) as caught:
        Certificate(*spoil(files, tmp_path, what))
    assert caught.value.problem.code == "certificate-unusable"
    assert caught.value.detail.startswith(told)


async def served_name(certificate: Certificate) -> str:
    """Whose certificate a handshake of this moment gets."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client, server = context.wrap_bio(incoming, outgoing), certificate.context.wrap_bio(outgoing, incoming, server_side=True)
    for _ in range(3):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"")


async def test_new_files_are_taken_over(files: tuple[Path, Path], tmp_path: Path) -> None:
    """A renewed pair is served without a restart; a broken one is not, is told in log and readiness, and mended by the next."""
    certificate, key = (Path(shutil.copy(file, tmp_path)) for file in files)
    one = Certificate(certificate, key, look_s=0.02)
    first = await served_name(one)
    looking = asyncio.create_task(one.keep_fresh())
    with structlog.testing.capture_logs() as logs:
        shutil.copy(certificates.write(tmp_path, "next")[0], certificate)
        await _until(lambda: one.check() is not None)
        assert "the key is that of another one" in (one.check() or "")
        assert await served_name(one) == first
        for source, target in zip(certificates.write(tmp_path, "third"), (certificate, key), strict=True):
            shutil.copy(source, target)
        await _until(lambda: one.check() is None)
        assert await served_name(one) == certificate.read_text()
    looking.cancel()
    assert [line["event"] for line in logs] == ["certificate_refused", "certificate_renewed"]


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


def test_the_end_is_told_before_it_comes(tmp_path: Path) -> None:
    """Two weeks before its end a certificate shows at readiness, and says so when it has ended."""
    assert Certificate(*certificates.write(tmp_path, "long", days=(-1, 15))).check() is None
    assert (Certificate(*certificates.write(tmp_path, "short", days=(-1, 13))).check() or "").startswith("it ends on")
    ended = Certificate(*certificates.write(tmp_path, "brief", days=(-1, 1 / 86_400)))
    time.sleep(1.1)
    assert "portals refuse it" in (ended.check() or "")


@pytest.mark.parametrize(
    ("http", "code"),
    [
        ({"host": "0.0.0.0"}, "clear-text"),  # noqa: S104
        ({"host": "192.0.2.1"}, "clear-text"),
        ({"tls": {"certificate": "none.crt", "key": "none.key"}}, "certificate-unusable"),
    ],
)
def test_portals_beyond_this_machine_need_tls_or_a_word(http: dict[str, Any], code: str) -> None:
    """The gateway does not start in clear text for others, nor without the files that are set, and says what to write."""
    with pytest.raises(UsageError) as caught:
        certificate_of(Settings.model_validate({"http": http}))
    assert caught.value.problem.code == code
    assert "allow_clear_text: true" in caught.value.problem.hint or code != "clear-text"


@pytest.mark.parametrize(("word", "code"), [(False, "clear-text"), (True, "port-taken")])
async def test_the_word_is_enough(tmp_path: Path, word: bool, code: str) -> None:
    """Without it the gateway ends before anything is opened; with it it goes on to the port, which is taken here."""
    register_of(tmp_path, PORTALS)
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))  # noqa: S104
        http = {"host": "0.0.0.0", "allow_clear_text": word}  # noqa: S104
        stores = {"folder": str(tmp_path / "stores")}
        settings = Settings.model_validate({"http": http, "gateway": {"portals": str(tmp_path)}, "stores": stores})
        with pytest.raises(UsageError) as caught:
            await run_gateway(settings, other.getsockname()[1], None)
    assert caught.value.problem.code == code
    assert (tmp_path / "stores").exists() == word
