"""The certificates that clients of Kafka trust and show. Files that change are taken without a restart: each new connection uses what they hold then."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import structlog

from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import UsageError

log = structlog.get_logger()

_FILES: Final = ("ca_file", "crl_file", "certificate_file", "key_file")


class CertificatesContext(ssl.SSLContext):
    """A context for TLS clients that follows its files. New ones that cannot be used are told, and those before stay in use.

    It is only ever asked for connections (`wrap_bio`), which a context made of the present files answers.
    """

    def __new__(cls, settings: KafkaSettings) -> Self:  # noqa: ARG004 - the base class takes a protocol here
        """Its own certificates and protocol are never used."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, settings: KafkaSettings) -> None:
        """Reads the files.

        Raises:
            UsageError: settings-invalid, naming the file.
        """
        self._settings = settings
        self._seen = _stamps(settings)
        self._trouble: str | None = None
        try:
            self._current = _load(settings)
        except _Unusable as error:
            raise UsageError(problems.SETTINGS, str(error), where=error.where) from None

    def wrap_bio(self, *args: Any, **more: Any) -> ssl.SSLObject:
        """A connection with the certificates of this moment."""
        self._follow()
        return self._current.wrap_bio(*args, **more)

    def check(self) -> str | None:
        """What of the present files cannot be used, and since when those before stay in use; None where all is well. Looks at the files."""
        self._follow()
        return self._trouble

    def _follow(self) -> None:
        if (stamps := _stamps(self._settings)) == self._seen:
            return
        self._seen = stamps
        try:
            self._current = _load(self._settings)
        except _Unusable as error:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            self._trouble = f"{error.where}: {error}; since {since} the certificates before it stay in use"
            log.error("kafka_certificates_unusable", where=error.where, error=str(error))  # noqa: TRY400 - its trace says no more
        else:
            self._trouble = None
            log.info("kafka_certificates_taken", files=[name for name in _FILES if getattr(self._settings, name)])


class _Unusable(Exception):
    def __init__(self, where: str, what: str) -> None:
        super().__init__(what)
        self.where = where


@lru_cache(maxsize=8)
def context_of(settings: KafkaSettings) -> CertificatesContext:
    """The context of these settings, one in each process.

    Raises:
        UsageError: settings-invalid.
    """
    return CertificatesContext(settings)


def check(settings: KafkaSettings) -> str | None:
    """As `CertificatesContext.check`, for a process's health; None without TLS."""
    return context_of(settings).check() if settings.is_encrypted else None


def _stamps(settings: KafkaSettings) -> list[tuple[int, int, int] | None]:
    return [_stamp(getattr(settings, name)) for name in _FILES]


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    try:
        found = file.stat() if file is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)


def _load(settings: KafkaSettings) -> ssl.SSLContext:
    """A context of what the files hold now: TLS 1.2 or newer, certificates and host names are verified."""
    context = ssl.create_default_context() if settings.ca_file is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name in ("ca_file", "crl_file"):
        if (file := getattr(settings, name)) is not None:
            _read(name, file, lambda file=file: context.load_verify_locations(file))
    if settings.ca_file is not None and not context.cert_store_stats()["x509_ca"]:
        raise _Unusable("kafka.ca_file", f"{settings.ca_file} holds no certificate of a signer (CA)")
    if settings.crl_file is not None:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if (file := settings.certificate_file) is not None:
        _read("certificate_file", file, lambda: context.load_cert_chain(file, settings.key_file, password=lambda: ""))
    return context


def _read(name: str, file: Path, load: Any) -> None:
    try:
        load()
    except ssl.SSLError as error:
        what = (error.reason or "no PEM of this kind").lower().replace("_", " ")
        raise _Unusable(f"kafka.{name}", f"{file}: {what}") from None
    except (OSError, ValueError) as error:
        raise _Unusable(f"kafka.{name}", f"{file}: {getattr(error, 'strerror', None) or type(error).__name__}") from None
