"""HTTPS to a back office: whom we trust, and how we show who we are, by files."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from adapters.http import HttpOffice, HttpSettings
from schemas.errors import DestinationDown

Served = Callable[..., AbstractAsyncContextManager[str]]
NOW = dt.datetime.now(dt.UTC)


def certificate(folder: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None) -> Path:
    """A file with a certificate for 127.0.0.1 and its key; without an issuer it signs itself and others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder(issuer[0].subject if issuer else subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def read(path: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Both parts of such a file."""
    content = path.read_bytes()
    key = serialization.load_pem_private_key(content, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(content), key


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """An authority, and what it has signed for both sides."""
    authority = certificate(tmp_path, "authority")
    return {"authority": authority, **{name: certificate(tmp_path, name, read(authority)) for name in ("office", "bus")}}


@pytest.fixture
def served(files: dict[str, Path]) -> Served:
    """An office that answers 200 over TLS, with or without asking for our certificate; its address."""

    @asynccontextmanager
    async def serve(*, asks: bool) -> AsyncIterator[str]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files["authority"])
        context.load_cert_chain(files["office"])
        context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", ssl=context) as server:
            yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    return serve


async def ask(url: str, **settings: Path) -> int:
    """The status of the answer."""
    office = HttpOffice(HttpSettings.model_validate({"url": url} | settings))
    try:
        return (await office.ask("GET", "")).status_code
    finally:
        await office.close()


async def test_only_trusted_offices(served: Served, files: dict[str, Path]) -> None:
    """An office whose certificate is signed by nobody we trust gets nothing; with its authority in the settings it does."""
    async with served(asks=False) as url:
        with pytest.raises(DestinationDown, match="SSLCertVerificationError"):
            await ask(url)
        assert await ask(url, ca_file=files["authority"]) == 200


async def test_our_own_certificate(served: Served, files: dict[str, Path]) -> None:
    """An office that asks for a certificate gets ours; without one there is no connection."""
    async with served(asks=True) as url:
        with pytest.raises(DestinationDown):
            await ask(url, ca_file=files["authority"])
        assert await ask(url, ca_file=files["authority"], certificate_file=files["bus"]) == 200


@pytest.mark.parametrize("setting", ["ca_file", "certificate_file"])
def test_file_without_certificate(tmp_path: Path, setting: str) -> None:
    """A file that holds no certificate is refused when the settings are read."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValidationError, match="the certificates cannot be used"):
        HttpSettings.model_validate({"url": "https://office.example", setting: empty})
