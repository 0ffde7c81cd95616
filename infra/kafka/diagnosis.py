"""Why Kafka is not to be had. The client tells only that it is not, so each broker is asked once more, by a connection of the same settings.

Nothing but that connection is tried: neither clear text in the place of TLS, nor another login.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from infra.kafka.login import hang_up, login_options
from infra.kafka.tokens import TokenRefused
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import CannotTell, UsageError
from schemas.problems.problem import Problem

_LIMIT_S: Final = 3.0
"""For all brokers together: whoever asks has waited already."""
_OF_CERTIFICATES: Final = {
    3: "kafka.crl_file holds no list of whoever signed its certificate",
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    12: "the list in kafka.crl_file has expired",
    18: "its certificate is signed by itself, and kafka.ca_file does not have it",
    19: "its certificate is signed by somebody whom kafka.ca_file does not have",
    20: "its certificate is signed by somebody whom kafka.ca_file does not have",
    21: "its certificate is signed by somebody whom kafka.ca_file does not have",
    23: "its certificate is revoked, says kafka.crl_file",
    62: "its certificate is for another host name",
    64: "its certificate is for another address",
}
"""By the numbers of OpenSSL (X509_V_ERR_...)."""
_TLS_ALERT: Final = 0x15_03
"""How an alert of TLS begins. Read as clear text, it is the first half of a length."""
_SAID: Final = re.compile(r"([A-Z])")
_Cause = tuple[Problem, str, str]
"""The problem, the setting to look at, and what is wrong."""


async def why_unreachable(settings: KafkaSettings) -> CannotTell:
    """The error for a cluster that cannot be reached, with its cause: kafka-certificate, kafka-login, kafka-protocol, where a broker is
    there; else kafka-unreachable, which says too where brokers answer by now. Takes three seconds at most; raises nothing.
    """
    addresses = [(host, port) for host, port, _ in collect_hosts(settings.bootstrap, randomize=False)]
    found = await asyncio.gather(*(_ask(settings, host, port) for host, port in addresses))
    telling = [error for error in found if error is not None]
    return min(telling, key=lambda error: error.problem is problems.KAFKA_UNREACHABLE, default=_late(settings))


def _late(settings: KafkaSettings) -> CannotTell:
    """The error where each broker answers this connection, and did not answer in time before."""
    what = f"{settings.bootstrap} answers now, and did not in time: it, or this machine, is busy, or was away; give the command again"
    return CannotTell(problems.KAFKA_UNREACHABLE, what, where="kafka.bootstrap")


def unreachable(settings: KafkaSettings, why: str = "") -> CannotTell:
    """The error for a cluster that does not answer."""
    return CannotTell(
        problems.KAFKA_UNREACHABLE, f"no broker answers at {settings.bootstrap}{why and f' ({why})'}", where="kafka.bootstrap"
    )


async def _ask(settings: KafkaSettings, host: str, port: int) -> CannotTell | None:
    """What keeps this broker from answering; None where it does."""
    connection = None
    try:
        async with asyncio.timeout(_LIMIT_S):
            connection = await create_conn(host, port, client_id="stadtbus-diagnosis", **login_options(settings))
            await connection.send(MetadataRequest([]))
    except UsageError as error:  # a file of the settings is not usable any more
        return CannotTell(error.problem, error.detail, where=error.where)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return _named(settings, f"{host}:{port}", error)
    finally:
        if connection is not None:
            await hang_up(connection)
    return None


def _named(settings: KafkaSettings, address: str, error: Exception) -> CannotTell:
    cause = error.__cause__ if isinstance(error, KafkaConnectionError) and error.__cause__ is not None else error
    found = _cause(settings, cause) or _of_end(settings, cause)
    if found is None:
        return unreachable(settings, _of_system(cause))
    problem, where, what = found
    return CannotTell(problem, f"{address}: {what}", where=where)


def _cause(settings: KafkaSettings, cause: BaseException) -> _Cause | None:
    """What an error says by itself."""
    found: _Cause | None = None
    match cause:
        case ssl.SSLCertVerificationError():
            found = problems.KAFKA_CERTIFICATE, "kafka.ca_file", _OF_CERTIFICATES.get(cause.verify_code, cause.verify_message)
        case TokenRefused():
            found = problems.KAFKA_LOGIN, "kafka.oauth", str(cause)
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            found = problems.KAFKA_LOGIN, "kafka.user", f"it does not know the user {settings.user}, or the password is another one"
        case IllegalSaslStateError() | UnsupportedSaslMechanismError():
            found = problems.KAFKA_PROTOCOL, "kafka.security_protocol", "it takes no login of this kind there"
        case ssl.SSLError(reason=str(reason)) if "ALERT" in reason:
            found = problems.KAFKA_LOGIN, "kafka.certificate_file", f"it does not take our certificate ({reason.lower().replace('_', ' ')})"
        case ValueError() if settings.user is not None:  # of SCRAM
            found = problems.KAFKA_LOGIN, "kafka.bootstrap", "it does not know the password that it asks for: it may be somebody else"
    return found


def _of_end(settings: KafkaSettings, cause: BaseException) -> _Cause | None:
    """What it means that a broker has ended the connection without a word."""
    if isinstance(cause, asyncio.IncompleteReadError):
        if not settings.is_encrypted:
            speaks_tls = (cause.expected or 0) >> 16 == _TLS_ALERT
            return (problems.KAFKA_PROTOCOL, "kafka.security_protocol", "it speaks TLS there, and we clear text") if speaks_tls else None
        if settings.oauth is not None:
            return problems.KAFKA_LOGIN, "kafka.oauth", "it does not take our token"
        wants_login = settings.user is None
        return (problems.KAFKA_PROTOCOL, "kafka.security_protocol", "it wants a login (SASL_SSL)") if wants_login else None
    if settings.is_encrypted and isinstance(cause, ConnectionResetError | ssl.SSLError):
        return (
            problems.KAFKA_PROTOCOL,
            "kafka.security_protocol",
            "it ends the connection when TLS begins: it speaks clear text there, or another TLS",
        )
    return None


def _of_system(cause: BaseException) -> str:
    """In a few words, none of which is a value."""
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return _SAID.sub(r" \1", type(cause).__name__.removesuffix("Error")).strip().lower()
