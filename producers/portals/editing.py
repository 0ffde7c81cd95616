"""Tokens written into the page of a portal and taken out again, with everything else in it, comments too, left as people wrote it.

The new text is read before it is written: it has to say what was meant and nothing else. A page whose form does not allow that is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from producers.portals.pages import PortalPage
from producers.settings import PortalSettings, Token
from schemas import problems, yamllines
from schemas.errors import UsageError

_NEW = ".new"


def add_token(page: PortalPage, entry: Token) -> None:
    """Write a token into a page. Blocks until it is on disk.

    Raises:
        UsageError: portals-invalid, with the line to write where the page has another form; file-unwritable.
    """
    _rewrite(page, lambda text: _added(text, _line(entry)), (*page.settings.tokens, entry), f"add by hand: - {_line(entry)}")


def remove_token(page: PortalPage, number: int) -> None:
    """Take a token, counted from 0, out of a page. Blocks until it is on disk.

    Raises:
        UsageError: as `add_token`.
    """
    left = page.settings.tokens[:number] + page.settings.tokens[number + 1 :]
    _rewrite(page, lambda text: _removed(text, number), left, "take its entry out by hand")


def _rewrite(page: PortalPage, change: Callable[[str], str], tokens: tuple[Token, ...], else_: str) -> None:
    expected = page.settings.model_copy(update={"tokens": tokens})
    try:
        with _locked(page.path.parent):
            text = page.path.read_text(encoding="utf-8")
            if not _says(text, page.settings):
                raise UsageError(problems.PORTALS, "the page has changed meanwhile; give the command again", where=str(page.path))
            changed = change(text)
            if not _says(changed, expected):
                raise UsageError(
                    problems.PORTALS, f"the form of the page does not allow to change it; {else_}", where=str(page.at("tokens"))
                )
            _replace(page.path, changed)
    except OSError as error:
        raise UsageError(problems.FILE_UNWRITABLE, str(error.strerror), where=str(page.path)) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time; the lock ends with the block, or with the process."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _says(text: str, expected: PortalSettings) -> bool:
    try:
        return PortalSettings.model_validate(yamllines.load(text).value) == expected
    except ValueError:
        return False


def _replace(path: Path, text: str) -> None:
    """At once and durably: whoever reads sees the whole old page or the whole new one."""
    new = path.with_name(f"{path.name}{_NEW}")
    with new.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _line(entry: Token) -> str:
    return f"{{sha256: {entry.sha256}, drawn_on: {entry.drawn_on}, drawn_by: {json.dumps(entry.drawn_by)}, valid_to: {entry.valid_to}}}"


def _added(text: str, line: str) -> str:
    node = _tokens_in(text)
    if node is None:
        return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}tokens:\n  - {line}\n"
    if node.flow_style:
        end = node.end_mark.index - 1
        return f"{text[:end]}{', ' if node.value else ''}{line}{text[end:]}"
    lines = text.splitlines(keepends=True)
    behind = _last_line(node) + 1
    lines[behind - 1] = lines[behind - 1].rstrip("\n") + "\n"
    return "".join([*lines[:behind], f"{' ' * node.start_mark.column}- {line}\n", *lines[behind:]])


def _removed(text: str, number: int) -> str:
    node = _tokens_in(text)
    items = node.value if isinstance(node, yaml.SequenceNode) else []
    if node is None or number >= len(items):
        return text
    if node.flow_style:
        left = [text[one.start_mark.index : one.end_mark.index] for one in items if one is not items[number]]
        return f"{text[: node.start_mark.index]}[{', '.join(left)}]{text[node.end_mark.index :]}"
    lines = text.splitlines(keepends=True)
    first, last = items[number].start_mark.line, _last_line(items[number])
    empty = [] if len(items) > 1 else [f"{' ' * (node.start_mark.column or 2)}[]\n"]
    return "".join([*lines[:first], *empty, *lines[last + 1 :]])


def _tokens_in(text: str) -> Any:
    """The node of `tokens`; None where the page has none."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return next((value for key, value in pairs if key.value == "tokens"), None)


def _last_line(node: Any) -> int:
    """The line that the last thing in a node ends on; the node itself reaches over comments and blank lines behind it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)
