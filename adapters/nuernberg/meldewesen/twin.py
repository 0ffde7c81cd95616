"""Twin of Nürnberg's registration office: token endpoint and idempotent REST service."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import httpx
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.nuernberg.meldewesen.adapter import KEY_USED, REGISTRATIONS, SYSTEM, TOKEN_PATH, UNKNOWN
from adapters.twins.book import REFUSAL, VERSION, Book, Entry, Mood
from adapters.twins.http import HttpTwin

TOKEN_LIFE_S: Final = 60
