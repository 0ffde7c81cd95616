"""What no part of the bus has caught: whatever libraries, the system and mistakes of ours raise out of a command becomes an error with a
code, so that no command ends with a traceback or with the exit code of findings.

Texts of databases and parsers may quote values, so of what they raise only the kind is told; a path or a port is told.
"""

from __future__ import annotations

import errno
import sys
import traceback
from typing import Final

from schemas import problems
from schemas.errors import CannotTell, StadtbusError, UsageError

_PATH: Final = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip
"""The path is wrong, or this user has no rights to it: another one, or other rights, help."""

_EXTRAS: Final = {"psycopg": "postgresql"}
"""Packages that only some settings need, and the extra that brings them."""


def as_ours(error: Exception) -> StadtbusError:
    """The error with a code for whatever a command raised; one that has a code already is returned as it is. Raises nothing.

    Called once, by `stadtbus.cli.main`, after the command has ended.
    """
    if isinstance(error, StadtbusError):
        return error
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return _of_the_system(error)
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        return UsageError(
            problems.SETTINGS, f"the Python package {error.name} is not installed: pip install 'stadtbus[{_EXTRAS[error.name]}]'"
        )
    return _of_kafka(error) or _of_a_store(error) or _of_nobody(error)


def _of_the_system(error: OSError) -> StadtbusError:
    what, where = error.strerror or type(error).__name__, None if error.filename is None else str(error.filename)
    if error.errno == errno.EADDRINUSE:
        return UsageError(problems.PORT_TAKEN, what, where=where)
    if error.errno in _PATH:
        return UsageError(problems.PATH_UNUSABLE, what, where=where)
    return CannotTell(problems.SYSTEM_REFUSES, what, where=where)


def _of_kafka(error: Exception) -> StadtbusError | None:
    if isinstance(error, TimeoutError):
        return CannotTell(problems.KAFKA_FAILED, "it did not answer in time")
    kafka = sys.modules.get("aiokafka.errors")  # who never loaded it cannot have failed there
    if kafka is None or not isinstance(error, kafka.KafkaError):
        return None
    return CannotTell(problems.KAFKA_FAILED, type(error).__name__)


def _of_a_store(error: Exception) -> StadtbusError | None:
    sqlalchemy = sys.modules.get("sqlalchemy")
    if sqlalchemy is None or not isinstance(error, sqlalchemy.exc.SQLAlchemyError):
        return None
    from infra.database import reason

    return CannotTell(problems.STORE_FAILED, reason(error))


def _of_nobody(error: Exception) -> StadtbusError:
    """A mistake of ours: where it happened goes to standard error for whoever mends it, without the text, which may quote a value."""
    print(*traceback.format_tb(error.__traceback__), sep="", end="", file=sys.stderr)  # noqa: T201 - as Python does
    return CannotTell(problems.COMMAND_BROKEN, type(error).__name__)
