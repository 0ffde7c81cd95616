"""An identity source as tests need one: it signs assertions, and serves its public keys."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from producers.settings import IdentitySource

ISSUER, AUDIENCE = "https://id.bayernid.example", "https://stadtbus.example"
PRIVATE: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "PS256": rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
PRIVATE["PS512"] = PRIVATE["PS256"]


def public(algorithm: str) -> dict[str, Any]:
    """The public key for an algorithm as a JWK; its id is the name of the algorithm."""
    maker: Any = {"E": ECAlgorithm, "P": RSAAlgorithm}[algorithm[0]] if algorithm != "EdDSA" else OKPAlgorithm
    return dict(maker.to_jwk(PRIVATE[algorithm].public_key(), as_dict=True)) | {"kid": algorithm, "use": "sig"}


def jwks(*algorithms: str) -> bytes:
    """The page of these public keys; of all where none is named."""
    return json.dumps({"keys": [public(one) for one in algorithms or PRIVATE]}).encode()


def assertion(nonce: Any, algorithm: str = "ES256", *, key: Any = None, head: dict[str, Any] | None = None, **claims: Any) -> str:
    """What the source signs after a login of level 3; a claim that is None is left out."""
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 300,
        "acr": "STORK-QAA-Level-3",
        "nonce": nonce,
        "name": "Erika Muster",
    }
    left = {name: value for name, value in (said | claims).items() if value is not None}
    return jwt.encode(left, key or PRIVATE[algorithm], algorithm, {"kid": algorithm} | (head or {}))


def source(jwks_at: Path | str, **changes: Any) -> IdentitySource:
    """The settings of this source, which has to prove each login."""
    return IdentitySource(**({"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(jwks_at), "proof": "required"} | changes))


@dataclass
class Served:
    """A page on loopback, which may change, and how often it was asked for."""

    url: str = ""
    page: bytes = field(default_factory=jwks)
    status: int = 200
    asked: int = 0


@contextmanager
def served(certificate: tuple[Path, Path] | None = None) -> Iterator[Served]:
    """Serve the keys of the source, by TLS where there is a certificate."""
    found = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += 1
            self.send_response(found.status)
            self.send_header("Location", found.url)
            self.end_headers()
            self.wfile.write(found.page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        found.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}/jwks"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
