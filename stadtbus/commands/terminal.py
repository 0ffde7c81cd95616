"""What the commands share: where they print, how they load settings, and what an exit code means."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.console import RenderableType

    from stadtbus.settings import Settings

FINDINGS: Final = 1
_OBEYED: Final = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""What a terminal obeys instead of printing it, beside the control characters that JSON escapes: DEL, C1, changes of direction, nothing to see."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Watch = Annotated[bool, typer.Option("--watch", help="Look again every few seconds, until Ctrl-C.")]
_AGAIN_S: Final = 3.0

console = Console()
to_people = Console(stderr=True)


def print_what_can_be() -> None:
    """From now on, write a character that the terminal or pipe cannot take as an escape, instead of raising `UnicodeEncodeError`.

    To be called before anything is printed.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def load() -> Settings:
    """The settings in force.

    Raises:
        UsageError: settings-invalid.
    """
    from stadtbus import settings

    return settings.load()


def load_quietly() -> Settings:
    """Switch off all logging of this process, ours and that of libraries, and load the settings: for commands that print a result.

    Raises:
        UsageError: settings-invalid.
    """
    import structlog

    logging.disable(logging.CRITICAL)
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    return load()


def tell(text: str, value: object, *, as_json: bool) -> None:
    """One result, for people or for programs; the text as it is: `services.yaml:100:` is no emoji, `[bayernid]` no markup."""
    if as_json:
        print_json(value)
    else:
        console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def print_json(value: object) -> None:
    """One result, for programs."""
    plain = (sys.stdout.encoding or "ascii").lower().replace("_", "-") not in ("utf-8", "utf8")
    written = json.dumps(value, indent=2, ensure_ascii=plain, default=_text)
    print(_OBEYED.sub(_escaped, written))  # noqa: T201 - output for programs


def _escaped(letter: re.Match[str]) -> str:
    return json.dumps(letter[0])[1:-1]


def _text(value: object) -> str:
    """What JSON has no kind for; times all in one form: `2026-03-01T08:30:00.000Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, gone at the end of the block; nothing where standard error is no terminal.

    The function that it gives is to be called, as often as wanted, with how many are done and how many there are.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=to_people, transient=True, disable=not to_people.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def watched(view: Callable[[], Coroutine[Any, Any, RenderableType]]) -> None:
    """Show what a look gives, again and again on the same screen, until Ctrl-C, which is the usual end."""
    import asyncio

    from rich.live import Live

    async def show() -> None:
        with Live(await view(), console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(_AGAIN_S)
                live.update(await view(), refresh=True)

    with suppress(KeyboardInterrupt):
        asyncio.run(show())
