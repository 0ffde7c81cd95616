"""How portals are shown to people at a terminal."""

from __future__ import annotations

from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from producers.portals.pages import PortalPage
from producers.portals.tokens import today

HASH_SHOWN: Final = 12
_SOON_DAYS: Final = 30


def row(page: PortalPage) -> dict[str, Any]:
    """A portal in short; `days_left` is to the end of its last token, None where it has none."""
    last_day = max((token.valid_to for token in page.settings.tokens), default=None)
    return {
        "portal": page.id,
        "name": page.settings.name,
        "authority": page.settings.authority,
        "to": sorted({place for right in page.settings.rights for place in right.to}),
        "tokens": len(page.settings.tokens),
        "days_left": None if last_day is None else (last_day - today()).days,
    }


def table(rows: list[dict[str, Any]]) -> RenderableType:
    """A line per portal."""
    found = Table(box=SIMPLE_HEAD)
    for name in ("portal", "authority", "may send to", "tokens", "days left"):
        found.add_column(name, overflow="fold")
    for one in rows:
        found.add_row(one["portal"], one["authority"], ", ".join(one["to"]) or "nowhere", str(one["tokens"]), _days(one["days_left"]))
    return found


def details(page: PortalPage) -> RenderableType:
    """Rights, accounts and tokens of one portal."""
    settings = page.settings
    lines = [Text(f"{page.id}: {settings.name}, {settings.authority}", style="bold")]
    for right in settings.rights:
        kinds = ", ".join((*right.messages, *right.namespaces))
        lines.append(Text(f"may send {', '.join(right.services)} to {', '.join(right.to)}: {kinds}"))
    accounts = ", ".join(f"{account} up to level {level}" for account, level in settings.accounts.items())
    lines.append(Text(f"may vouch for {accounts or 'no login'}; {'may' if settings.test else 'may not'} send test messages"))
    tokens = Table(box=SIMPLE_HEAD)
    for name in ("token (hash)", "drawn on", "by", "valid to", "days left"):
        tokens.add_column(name, overflow="fold")
    for one in settings.tokens:
        days = _days((one.valid_to - today()).days)
        tokens.add_row(one.sha256[:HASH_SHOWN], str(one.drawn_on), one.drawn_by, str(one.valid_to), days)
    return Group(*lines, tokens)


def _days(days: int | None) -> Text:
    if days is None:
        return Text("no token", style="bold red")
    return Text(str(days) if days >= 0 else "ended", style="bold red" if days < 0 else "yellow" if days < _SOON_DAYS else "")
