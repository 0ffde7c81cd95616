"""How clients get in: what `KafkaSettings` says, in the words of aiokafka. `streams` translates it for FastStream."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection

from infra.kafka.certificates import context_of
from infra.kafka.tokens import Tokens
from infra.settings import KafkaSettings, OAuthSettings, read_secret
from schemas import problems
from schemas.errors import UsageError

_END_S: Final = 0.5
_SCRAM: Final = "SCRAM-SHA-512"


def login_options(settings: KafkaSettings) -> dict[str, Any]:
    """For every client of aiokafka. Reads the files that the settings name.

    Raises:
        UsageError: settings-invalid: a file cannot be used.
    """
    options: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if settings.is_encrypted:
        options["ssl_context"] = context_of(settings)
    if settings.user is not None:
        options |= {"sasl_mechanism": _SCRAM, "sasl_plain_username": settings.user, "sasl_plain_password": _password(settings)}
    if settings.oauth is not None:
        options |= {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": _tokens(settings.oauth)}
    return options


@lru_cache(maxsize=8)
def _tokens(settings: OAuthSettings) -> Tokens:
    """One source for all clients of a process, so that the token server is asked seldom."""
    return Tokens(settings)


async def hang_up(connection: AIOKafkaConnection) -> None:
    """Close a connection and wait until it is closed, which TLS answers with a word of its own; for half a second at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await connection.close()


def _password(settings: KafkaSettings) -> str:
    try:
        return read_secret(settings.password, settings.password_file)
    except ValueError as error:
        raise UsageError(problems.SETTINGS, str(error), where="kafka.password_file") from None
