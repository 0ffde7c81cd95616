"""What a request must not be, beside what the parser refuses (llhttp: Content-Length with Transfer-Encoding or twice, line ends without CR,
folded headers, odd lengths). Two readers that understand such a request differently are a hole between them (RFC 9112, 11.2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from schemas import problems
from schemas.errors import Rejected

_ONCE: Final = frozenset(
    (
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"traceparent",
        b"transfer-encoding",
    )
)
_OURS: Final = b"stadtbus-"
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_VERSIONS: Final = ("1.1", "1.0")
_LONGEST_URL: Final = 4096


def require_strict(version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]], limit_bytes: int) -> None:
    """Whether a head may be acted on; names of `headers` are in lower case.

    Raises:
        Rejected: request-malformed, address-too-long, header-too-large.
    """
    if len(url) > _LONGEST_URL:
        raise Rejected(problems.ADDRESS_TOO_LONG, f"the limit is {_LONGEST_URL} bytes", where="request line")
    if sum(len(name) + len(value) for name, value in headers) > limit_bytes:
        raise Rejected(problems.HEADER_TOO_LARGE, f"the limit is {limit_bytes} bytes", where="headers")
    if version not in _VERSIONS:
        raise Rejected(problems.MALFORMED, "only HTTP/1.1 and HTTP/1.0 are spoken here", where="request line")
    _require_headers(version, _singles(headers))


def _singles(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers that may stand there once only."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE or name.startswith(_OURS):
            if name in found:
                raise Rejected(problems.MALFORMED, "this header is there twice", where=name.decode("latin-1").title())
            found[name] = value
    return found


def _require_headers(version: str, headers: dict[bytes, bytes]) -> None:
    host = headers.get(b"host", b"" if version == "1.0" else None)
    if host is None or not _HOST.fullmatch(host):
        raise Rejected(problems.MALFORMED, "a request names one host, and nothing else there", where="Host")
    coding = headers.get(b"transfer-encoding")
    if coding is not None and (version == "1.0" or coding.strip().lower() != b"chunked"):
        raise Rejected(problems.MALFORMED, "the only transfer coding is 'chunked', of HTTP/1.1", where="Transfer-Encoding")
