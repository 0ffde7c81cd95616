"""Everything that is said while something happens: log records, output, failures."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
from collections.abc import Iterator

import structlog.testing


class Said:
    """The texts that were said while `listening` was on."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def note(self, something: object) -> None:
        """Keep what would go into events or file names."""
        self._texts.append(str(something))

    def note_failure(self, error: BaseException) -> None:
        """Keep a failure as a log would show it."""
        self._texts += [repr(error), *traceback.format_exception(error)]

    def text(self) -> str:
        """All of them, a line or more each."""
        return "\n".join(self._texts)


@contextlib.contextmanager
def listening() -> Iterator[Said]:
    """Listen to all loggers, however they are set, and to standard output and error."""
    said, out = Said(), io.StringIO()
    handler = _SaidHandler(said)
    root = logging.getLogger()
    level, disabled = root.level, root.manager.disable
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.disable(logging.NOTSET)
    try:
        with structlog.testing.capture_logs() as events, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            yield said
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        logging.disable(disabled)
    said.note(events)
    said.note(out.getvalue())


class _SaidHandler(logging.Handler):
    def __init__(self, said: Said) -> None:
        super().__init__(logging.DEBUG)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.note(self.format(record))
