"""Tokens of portals: drawn at random, kept as a hash, with an end."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, date, datetime
from typing import NamedTuple

from producers.settings import Token


class Drawn(NamedTuple):
    """A token, which is told once, and its entry in the page."""

    token: str
    entry: Token


def draw(by: str, valid_to: date) -> Drawn:
    """A new token, with 256 bits of chance in it."""
    token = secrets.token_urlsafe(32)
    return Drawn(token, Token(sha256=hash_of(token), drawn_on=today(), drawn_by=by, valid_to=valid_to))


def hash_of(token: str) -> str:
    """What a page has of a token. Tokens are long and random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def today() -> date:
    """By the clock of this machine, as days of the catalogue are."""
    return datetime.now(UTC).astimezone().date()
