"""Which pages of portals are in force: those of the folder, followed while the gateway runs.

A page that is changed is taken up when it has not changed between two looks, so that none is read while it is written. One that cannot be
taken up leaves that portal as it was, and the others go on; a page that is gone ends its portal. What could not be taken up is told until
it is mended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from producers.portals import checks, pages
from producers.portals.pages import PortalPage
from producers.settings import PortalSettings
from schemas import problems
from schemas.catalogue import Catalogue
from schemas.errors import UsageError
from schemas.findings import Flaw, Severity, Spot

log = structlog.get_logger()

_Stamps = Mapping[Path, tuple[int, int, int]]
_MOST_TOLD = 5


class Register:
    """The pages in force. Its methods read files, so they block."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        """The pages of a folder, of which none may have an error.

        Raises:
            UsageError: portals-invalid, naming page and line of what is wrong.
        """
        self._folder = folder
        self._catalogue = catalogue
        self._seen: _Stamps = {}
        self._taken_up: _Stamps = {}
        self.pages: Mapping[str, PortalPage] = {}
        self.flaws: list[Flaw] = []
        """What is wrong with the pages: errors keep a page from being taken up, warnings do not."""
        try:
            self._seen = self._taken_up = self._stamps()
            self._take_up()
        except OSError as error:
            raise UsageError(problems.PORTALS, f"the folder cannot be read: {error.strerror}", where=str(folder)) from None
        self._require_without(Severity.ERROR)

    def require_right(self) -> None:
        """Pass if there are not even warnings.

        Raises:
            UsageError: portals-invalid, as above.
        """
        self._require_without(Severity.ERROR, Severity.WARNING)

    def _require_without(self, *severities: Severity) -> None:
        found = [flaw for flaw in self.flaws if flaw.severity in severities]
        if found:
            raise UsageError(problems.PORTALS, _told(found), where=str(found[0].spot))

    def look(self) -> bool:
        """Take up what has changed, if it has not changed since the last look; whether pages were read."""
        try:
            stamps = self._stamps()
            calm, self._seen = stamps == self._seen, stamps
            if not calm or stamps == self._taken_up:
                return False
            self._take_up()
            self._taken_up = stamps
        except OSError as error:
            self._taken_up = {}  # read again as soon as it can be
            self._note([_of_folder(self._folder, f"cannot be read: {error.strerror}")])
            return False
        return True

    def _stamps(self) -> _Stamps:
        found = ((path, path.stat()) for path in pages.paths(self._folder))
        return {path: (stat.st_mtime_ns, stat.st_size, stat.st_ino) for path, stat in found}

    def _take_up(self) -> None:
        """Page by page, so that what is in force is right at each step: no token and no authority is ever that of two portals."""
        read = pages.read(self._folder)
        if not read.ids:
            self._note([_of_folder(self._folder, "there is no page of a portal in it")])
            return
        kept = {name: page for name, page in self.pages.items() if name in read.ids}
        found = read.flaws
        for name, page in read.pages.items():
            wrong = checks.flaws(page, [other for other in kept.values() if other.id != name], self._catalogue)
            found += wrong
            if not any(flaw.severity is Severity.ERROR for flaw in wrong):
                kept[name] = page
        changed = sorted(name for name in self.pages.keys() | kept.keys() if _settings(self.pages, name) != _settings(kept, name))
        self.pages = kept
        if changed:
            log.info("portals_taken_up", portals=changed)
        self._note(found)

    def _note(self, found: list[Flaw]) -> None:
        """Log what is wrong when it is new."""
        for flaw in found:
            if flaw not in self.flaws:
                event = "portal_not_taken_up" if flaw.severity is Severity.ERROR else "portal_page_doubtful"
                log.warning(event, page=str(flaw.spot), rule=flaw.rule, detail=flaw.detail)
        self.flaws = found


def _settings(from_pages: Mapping[str, PortalPage], name: str) -> PortalSettings | None:
    return from_pages[name].settings if name in from_pages else None


def _of_folder(folder: Path, detail: str) -> Flaw:
    return Flaw("shape", Spot(str(folder), 1), detail, pages.HINT)


def _told(flaws: Sequence[Flaw]) -> str:
    """What is wrong, in a line each, of the first few."""
    more = [f"and {len(flaws) - _MOST_TOLD} more"] if len(flaws) > _MOST_TOLD else []
    return "\n         ".join([f"{flaw.spot}: {flaw.detail}; {flaw.hint}" for flaw in flaws[:_MOST_TOLD]] + more)
