"""How ages, times, counts and texts from outside are written for people, in a terminal or on a page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def ago(age_s: float | None) -> str:
    """An age as people say it: `8 ms`, `1.4 s`, `12 min`, `2 h 10 min`, `3 d 4 h`; nothing for None."""
    if age_s is None:
        return ""
    if age_s < 1:
        return f"{age_s * 1000:.0f} ms"
    if age_s < _MINUTE_S:
        return f"{age_s:.1f} s" if age_s < 10 else f"{age_s:.0f} s"  # noqa: PLR2004 - tenths only where they matter
    if age_s < _HOUR_S:
        return f"{age_s / _MINUTE_S:.0f} min"
    if age_s < _DAY_S:
        return f"{age_s // _HOUR_S:.0f} h {age_s % _HOUR_S // _MINUTE_S:.0f} min"
    return f"{age_s // _DAY_S:.0f} d {age_s % _DAY_S // _HOUR_S:.0f} h"


def printable(text: str) -> str:
    """A text from outside, with a replacement character for each one that a terminal would not print but obey."""
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)


def counted(number: int, noun: str) -> str:
    """`1 letter`, `1,200 letters`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def instant(moment_ms: int) -> datetime:
    """A Unix time in milliseconds."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC)


def moment(moment_ms: int) -> str:
    """A Unix time in milliseconds, as a clock of this machine shows it."""
    return instant(moment_ms).astimezone().strftime("%d.%m.%Y %H:%M")


def facts_view(title: str, facts: Iterable[tuple[str, str]]) -> RenderableType:
    """A title, and below it names with their values; values may come from outside."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(Text(f"  {name}"), Text(printable(value)))
    return Group(Text(title, style="bold"), *((table,) if table.row_count else ()))
