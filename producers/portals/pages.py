"""The pages of a folder, one for each portal, as they can be read; `producers.portals.checks` looks at what they say."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from producers.settings import PortalSettings
from schemas import validation_errors, yamllines
from schemas.findings import Flaw, Spot
from schemas.headers import PORTAL
from schemas.yamllines import PathStep, YamlPage

SUFFIX: Final = ".yaml"
HINT: Final = "docs/portals.md shows each key of the page"
_ID: Final = re.compile(PORTAL)


@dataclass(frozen=True, slots=True)
class PortalPage:
    """A page that could be read."""

    id: str
    """The portal's id: the name of the file, without its suffix."""
    path: Path
    lines: YamlPage
    settings: PortalSettings

    def at(self, *steps: PathStep) -> Spot:
        """Page and line of the entry that these steps lead to."""
        return Spot(str(self.path), self.lines.line_of(steps))


@dataclass(slots=True)
class Pages:
    """What a folder holds: the pages by the ids of their portals, and the flaws of those that could not be read."""

    pages: dict[str, PortalPage] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    """Of all files, also of those that could not be read."""


def paths(folder: Path) -> list[Path]:
    """The files of the pages, in the order of their names.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)


def read(folder: Path) -> Pages:
    """All pages of a folder.

    Raises:
        OSError: the folder cannot be read.
    """
    found = Pages()
    for path in paths(folder):
        found.ids.add(path.stem)
        page = read_page(path)
        if isinstance(page, PortalPage):
            found.pages[page.id] = page
        else:
            found.flaws += page
    return found


def read_page(path: Path) -> PortalPage | list[Flaw]:
    """One page, or what is wrong with its form. Never raises, and never quotes a value."""
    if not _ID.fullmatch(path.stem):
        detail = "expected the id of a portal as the name: up to 100 letters, digits, '.', '_', ':', '+' and '-', a letter or digit first"
        return [_misshapen(path, 1, detail)]
    try:
        lines = yamllines.load(_text(path))
        return PortalPage(path.stem, path, lines, PortalSettings.model_validate(lines.value))
    except OSError as error:
        return [_misshapen(path, 1, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError:
        return [_misshapen(path, 1, "not UTF-8")]
    except yamllines.NotYaml as error:
        return [_misshapen(path, error.line, "not YAML, nested too deeply, or a key that occurs twice")]
    except ValidationError as error:
        return [_misshapen(path, lines.line_of(one.path), str(one)) for one in validation_errors.sentences(error, PortalSettings)]


def _text(path: Path) -> str:
    if path.is_fifo():  # reading one waits for ever, and no page would be taken up any more
        raise OSError(errno.EINVAL, "a pipe")
    return path.read_text(encoding="utf-8-sig")


def _misshapen(path: Path, line: int, detail: str) -> Flaw:
    return Flaw("shape", Spot(str(path), line), detail, HINT)
