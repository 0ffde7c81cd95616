"""Structured logs: one JSON object a line, or a console format for people. Event names are short and fixed.

No personal data: events carry ids, codes, counts and sizes. Exceptions are logged by class only, because the texts of libraries
quote values.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from infra.settings import LogSettings

_LINES_AT_ONCE: Final = 10.0
_LINE_EACH_S: Final = 10.0
_SAY_AGAIN_S: Final = 30.0
_IN_BRACKETS: Final = re.compile(r"\(.*\)")


def configure(settings: LogSettings, *, process: str) -> None:
    """Set up logging once per process; libraries are heard from warnings on, through the same format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_exception,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    _hear_python()
    logging.basicConfig(handlers=[_of_libraries(shared, renderer)], level=logging.WARNING, force=True)


def _without_texts_of_exceptions(record: logging.LogRecord) -> bool:
    """Leave of what a library says about an exception its class; asyncio writes exceptions, arguments and peers into its own text."""
    if record.name == "asyncio":
        record.msg, record.args = _IN_BRACKETS.sub("()", record.getMessage().partition("\n")[0]), None
    elif isinstance(record.args, tuple):
        record.args = tuple(type(one).__name__ if isinstance(one, BaseException) else one for one in record.args)
    return True


def _hear_python() -> None:
    """What Python would print by itself, with its text: exceptions of threads and of finalisers, and warnings."""
    log = structlog.get_logger()
    threading.excepthook = lambda hook: log.error("thread_failed", error=hook.exc_type.__name__)
    sys.unraisablehook = lambda hook: log.error("exception_ignored", error=hook.exc_type.__name__)
    warnings.showwarning = lambda _, category, file, line, *__: log.warning(
        "python_warns", error=category.__name__, place=f"{Path(file).name}:{line}"
    )


def _of_libraries(shared: Sequence[structlog.typing.Processor], renderer: structlog.typing.Processor) -> logging.Handler:
    """Writes what libraries log by Python's own module, as our events are written."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_without_texts_of_exceptions)
    handler.addFilter(Throttle())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    return handler


class Seldom:
    """Warns of what goes on for long: at once, then every 30 s at most, for each event and error."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._log = log
        self._said_s: dict[tuple[str, str], float] = {}

    def warning(self, event: str, *, error: str, **more: object) -> None:
        """Log it, unless the same event and error was logged within the last 30 s."""
        now_s = time.monotonic()
        if now_s - self._said_s.get((event, error), -_SAY_AGAIN_S) >= _SAY_AGAIN_S:
            self._said_s[event, error] = now_s
            self._log.warning(event, error=error, **more)


class Throttle(logging.Filter):
    """Lets few lines of each library through: some log every attempt while a broker or a port is away, gigabytes a day.

    The line that comes after a pause says how many were left out (`left_out`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[str, float] = {}
        """By logger: lines that may pass at once; a fraction grows to the next."""
        self._looked_s: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line passes. Called under the handler's lock."""
        name, now_s = record.name, time.monotonic()
        grown = (now_s - self._looked_s.get(name, now_s)) / _LINE_EACH_S
        places = min(self._places.get(name, _LINES_AT_ONCE) + grown, _LINES_AT_ONCE)
        self._looked_s[name] = now_s
        passes = places >= 1
        self._places[name] = places - 1 if passes else places
        if not passes:
            self._left_out[name] += 1
        elif left_out := self._left_out.pop(name, 0):
            record.msg, record.args = f"{record.getMessage()} (left out before: {left_out})", None
        return passes


def _name_exception(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace an exception by the name of its class: its text may quote a message."""
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    if isinstance(exc_info, tuple) and exc_info[0] is not None:
        event["error"] = exc_info[0].__name__
    elif isinstance(exc_info, BaseException):
        event["error"] = type(exc_info).__name__
    return event
