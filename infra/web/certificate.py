"""The certificate of the portals' port: checked at the start, and taken over anew when its files have changed."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from infra import metrics
from schemas import problems
from schemas.errors import UsageError

log = structlog.get_logger()

_LOOK_S: Final = 2.0
_SOON: Final = timedelta(days=14)
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: those with forward secrecy; those of 1.3 all have it."""


class Certificate:
    """What proves to portals who we are. `context` is the one for a handshake that begins now."""

    def __init__(self, certificate: Path, key: Path, *, look_s: float = _LOOK_S) -> None:
        """Read both files.

        Raises:
            UsageError: certificate-unusable.
        """
        self._certificate = certificate
        self._key = key
        self._look_s = look_s
        self._seen = self._files()
        self._fault: str | None = None
        self.context, self._end = self._read()
        metrics.CERTIFICATE_END.set(self._end.timestamp())

    def check(self) -> str | None:
        """What a person has to know, for readiness: that new files cannot be used, that the certificate ends soon or has ended."""
        left = self._end - datetime.now(UTC)
        if self._fault is not None:
            return f"the files have changed and cannot be used: {self._fault}; the one until {self._end:%Y-%m-%d} is still served"
        if left > _SOON:
            return None
        return f"it ends on {self._end:%Y-%m-%d}" if left > timedelta(0) else f"it has ended on {self._end:%Y-%m-%d}: portals refuse it"

    async def keep_fresh(self) -> None:
        """Look at the files now and then, until cancelled; raises nothing. What is open stays as it is."""
        tried = self._seen
        while True:
            await asyncio.sleep(self._look_s)
            found = await asyncio.to_thread(self._files)
            if found == self._seen and found != tried:  # as a look ago, so both files are written to their end
                tried = found
                await asyncio.to_thread(self._take_over)
            self._seen = found

    def _files(self) -> tuple[bytes, bytes] | None:
        try:
            return self._certificate.read_bytes(), self._key.read_bytes()
        except OSError:
            return None

    def _take_over(self) -> None:
        try:
            self.context, self._end = self._read()
        except UsageError as error:
            self._fault = error.detail
            log.warning("certificate_refused", error=error.detail)
        else:
            self._fault = None
            metrics.CERTIFICATE_END.set(self._end.timestamp())
            log.info("certificate_renewed", until=self._end.isoformat())

    def _read(self) -> tuple[ssl.SSLContext, datetime]:
        """The context of the files as they are, and when their certificate ends."""
        try:
            own = x509.load_pem_x509_certificates(self._certificate.read_bytes())[0]
        except OSError as error:
            raise _unusable(error.strerror or "it cannot be read", "certificate") from None
        except ValueError:
            raise _unusable("there is no certificate in it (PEM)", "certificate") from None
        now = datetime.now(UTC)
        if not own.not_valid_before_utc <= now <= own.not_valid_after_utc:
            raise _unusable(f"it is valid from {own.not_valid_before_utc:%Y-%m-%d} to {own.not_valid_after_utc:%Y-%m-%d}", "certificate")
        return self._context(), own.not_valid_after_utc

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        try:
            self._key.read_bytes()
            context.load_cert_chain(self._certificate, self._key, password="")
        except ssl.SSLError as error:
            fits = error.reason != "KEY_VALUES_MISMATCH"
            raise _unusable("there is no key in it without a password (PEM)" if fits else "the key is that of another one", "key") from None
        except (OSError, ValueError) as error:
            raise _unusable(getattr(error, "strerror", None) or "there is no key in it without a password (PEM)", "key") from None
        return context


def _unusable(detail: str, setting: str) -> UsageError:
    return UsageError(problems.CERTIFICATE, f"http.tls.{setting}: {detail}", where=f"http.tls.{setting}")
