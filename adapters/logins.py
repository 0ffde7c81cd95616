"""Logins to HTTP services: Basic (RFC 7617), a fixed token (RFC 6750), OAuth 2 client credentials (RFC 6749, 4.4).

An adapter takes one of the settings classes here as its `Settings`. Secrets come from settings or environment, never from a mapping.
"""

from __future__ import annotations

import asyncio
import base64
import time

from pydantic import Field, SecretStr

from adapters.http import HttpOffice, HttpSettings, Login, check_answered
from schemas.errors import DestinationDown


class BasicSettings(HttpSettings):
    """User and password."""

    user: str = Field(description="User for HTTP Basic.")
    password: SecretStr = Field(description="Its password.")

    def login(self) -> Login:
        """The same header each time."""
        return Fixed(basic(self.user, self.password))


class TokenSettings(HttpSettings):
    """A token that the back office has given us."""

    token: SecretStr = Field(description="Bearer token.")

    def login(self) -> Login:
        """The same header each time."""
        return Fixed(f"Bearer {self.token.get_secret_value()}")


class ClientSettings(HttpSettings):
    """OAuth 2 client credentials. `url` is the root that the token endpoint hangs on, too."""

    client_id: str = Field(description="OAuth2 client.")
    client_secret: SecretStr = Field(description="Its secret.")
    token_path: str = Field(default="oauth/token", description="Path of the token endpoint.")

    def login(self) -> Login:
        """Tokens, renewed before they end."""
        return Tokens(HttpOffice(self, Fixed(basic(self.client_id, self.client_secret))), self.token_path)


def basic(user: str, password: SecretStr) -> str:
    """The header `Authorization` of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{user}:{password.get_secret_value()}".encode()).decode()


class Fixed:
    """A header that never changes."""

    def __init__(self, header: str) -> None:
        self._header = header

    async def header(self, refused: str = "") -> str:  # noqa: ARG002 - there is no other
        """Always the same."""
        return self._header

    async def close(self) -> None:
        """Nothing to give back."""


class Tokens:
    """The current token, kept for nine tenths of its life. Whoever needs a new one waits for one renewal together."""

    def __init__(self, endpoint: HttpOffice, path: str) -> None:
        self._endpoint = endpoint
        self._path = path
        self._renewal = asyncio.Lock()
        self._header = ""
        self._renew_at = 0.0

    async def header(self, refused: str = "") -> str:
        """The header with a token other than the refused one.

        Raises:
            DestinationDown: there is none to be had.
        """
        async with self._renewal:
            if self._header == refused or time.monotonic() >= self._renew_at:
                await self._renew()
            return self._header

    async def _renew(self) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked_at = time.monotonic()
        response = await self._endpoint.ask("POST", self._path, b"grant_type=client_credentials", headers)
        check_answered(response)
        try:
            answer = response.json()
            self._header, self._renew_at = f"Bearer {answer['access_token']}", asked_at + 0.9 * float(answer["expires_in"])
        except (ValueError, KeyError, TypeError, RecursionError):  # the error holds the answer, and so perhaps a token
            raise DestinationDown("the token endpoint did not answer with a token") from None

    async def close(self) -> None:
        """Give connections back."""
        await self._endpoint.close()
