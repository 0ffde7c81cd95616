"""How an error becomes an answer: whatever goes wrong is answered as a problem (RFC 9457), in words of ours.

The text of an exception that is not ours goes nowhere, neither into the answer nor into the log: it may quote a message.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from infra import database
from producers.gateway.openapi import PROBLEM_JSON
from schemas import problems
from schemas.errors import Rejected, StadtbusError

log = structlog.get_logger()

_LOGIN: Final[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}
_RETRY_AFTER_S: Final[Mapping[int, float]] = {429: 1.0, 503: 30.0}
"""At least; callers that were sent away together do not come back together."""


def answer_errors_of(app: FastAPI) -> None:
    """Have whatever the routes of this app raise answered. Called once, while the app is made."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def _ours(_: Request, error: StadtbusError) -> JSONResponse:
    return _answer(error)


async def _of_framework(_: Request, error: HTTPException) -> JSONResponse:
    """No such path or method."""
    problem = problems.METHOD if error.status_code == problems.METHOD.status else problems.NO_SUCH_PAGE
    return _answer(Rejected(problem), error.status_code, error.headers)


async def _store_failed(_: Request, error: SQLAlchemyError) -> JSONResponse:
    log.error("store_failed", store="outbox", error=database.reason(error))
    return _answer(Rejected(problems.STORE_UNREACHABLE, "it is not known whether the submission was accepted: send the same again"))


async def _caller_gone(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=400)  # nobody reads it


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    log.error("internal_error", error=type(error).__name__)
    return _answer(Rejected(problems.INTERNAL))


_HANDLERS: Final[Mapping[type[Exception], Callable[[Request, Any], Awaitable[Response]]]] = {
    StadtbusError: _ours,
    HTTPException: _of_framework,
    SQLAlchemyError: _store_failed,
    ClientDisconnect: _caller_gone,
    Exception: _unexpected,
}
"""The nearest class of an exception decides."""


def _answer(error: StadtbusError, status: int | None = None, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The problem of an error, with its own status and headers or those that the framework gave."""
    status = status or error.problem.status
    members = error.as_dict() | {"status": status}
    return JSONResponse(members, status_code=status, media_type=PROBLEM_JSON, headers=headers or _headers(error, status))


def _headers(error: StadtbusError, status: int) -> Mapping[str, str] | None:
    if status not in _RETRY_AFTER_S:
        return _LOGIN if status == problems.UNAUTHENTICATED.status else None
    least_s = max(getattr(error, "retry_after_s", None) or 0.0, _RETRY_AFTER_S[status])
    return {"Retry-After": str(ceil(least_s * random.uniform(1, 2)))}  # noqa: S311 - to spread, not to hide
