"""Tokens for OAUTHBEARER: asked for with the client's secret, kept until shortly before their end."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import Any, Final

import httpx
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from infra.settings import OAuthSettings, read_secret

_LIMIT_S: Final = 10.0
_LONGEST_BYTES: Final = 64 * 1024
_SHARE_OF_LIFE: Final = 0.8
"""Of a token's life after which a new connection gets another one."""
_SHORTEST_LIFE_S: Final = 10.0
_LONGEST_LIFE_S: Final = 3600.0
"""A longer one is asked for again after it, and so is one whose end is not told."""


class TokenRefused(KafkaError):  # type: ignore[misc] # the client has no types
    """No token is to be had; the text says why, and quotes nothing that came from outside. As an error of Kafka's the client treats it like a
    broker that does not answer.
    """


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Gives a token to each new connection of one process."""

    def __init__(self, settings: OAuthSettings) -> None:
        self._settings = settings
        self._token = ""
        self._until_s = 0.0
        self._asking: asyncio.Lock | None = None

    async def token(self) -> str:
        """A token that is good for some time yet; the server is asked at most once at a time, for ten seconds.

        Raises:
            TokenRefused: the server does not answer, or with something else.
        """
        self._asking = self._asking or asyncio.Lock()
        async with self._asking:
            if time.monotonic() >= self._until_s:
                began_s = time.monotonic()
                self._token, life_s = _of(await self._ask())
                self._until_s = began_s + _SHARE_OF_LIFE * min(life_s, _LONGEST_LIFE_S)
            return self._token

    async def _ask(self) -> bytes:
        form = {"grant_type": "client_credentials"} | ({"scope": self._settings.scope} if self._settings.scope else {})
        try:
            login = httpx.BasicAuth(self._settings.client_id, read_secret(self._settings.client_secret, self._settings.client_secret_file))
            verify = ssl.create_default_context(cafile=self._settings.ca_file)
            async with (
                asyncio.timeout(_LIMIT_S),
                httpx.AsyncClient(verify=verify, timeout=_LIMIT_S, trust_env=False) as http,
                http.stream("POST", self._settings.token_url, data=form, auth=login) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise TokenRefused(f"the token URL answers {answer.status_code}")
                return await _bounded(answer)
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise TokenRefused(f"the token URL cannot be asked ({type(error).__name__})") from None


async def _bounded(answer: httpx.Response) -> bytes:
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > _LONGEST_BYTES:
            raise TokenRefused(f"the token URL answers with more than {_LONGEST_BYTES} bytes")
    return body


def _of(body: bytes) -> tuple[str, float]:
    """Token and life in seconds of an answer (RFC 6749, 5.1)."""
    try:
        answer: Any = json.loads(body)
        token, life_s = answer["access_token"], float(answer.get("expires_in", _LONGEST_LIFE_S))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise TokenRefused("the token URL answers with something else than a token") from None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not life_s >= _SHORTEST_LIFE_S:
        raise TokenRefused(f"the token URL answers with a token that cannot be used, or is good for less than {_SHORTEST_LIFE_S:.0f} s")
    return token, life_s
