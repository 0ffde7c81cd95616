"""A mapping: from a message to the document of a back office."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from lxml import etree

from adapters.interface import Document, Submission
from adapters.mapping import functions, page, render
from adapters.mapping.compiled import Compiler, fill
from adapters.mapping.page import Draft
from adapters.mapping.reading import ContextNode, Failed, Paths
from schemas import problems
from schemas.errors import Refused, UsageError
from schemas.message import APPLICATION

REFUSED: Final = "refuse"
IGNORED: Final = "ignored"


class Mapping:
    """One mapping, made by `load`: compiled once, used for every submission. Neither files nor network are within reach of its XPaths."""

    def __init__(self, draft: Draft) -> None:
        if draft.spec is None:
            raise _unusable(draft)
        self.draft = draft
        self.spec = draft.spec
        compiler = Compiler(draft, self.spec)
        self.paths = Paths()
        self.entries = compiler.entries(self.spec.document, self.paths)
        self.refused = {reason: compiler.xpath(text, self.paths, REFUSED, reason) for reason, text in self.spec.refuse.items()}
        self.ignored = [compiler.located(text, IGNORED, text) for text in self.spec.ignored]
        self._renderer = render.renderer(draft, self.spec, self.entries)

    @classmethod
    def load(cls, path: Path) -> Mapping:
        """The mapping in a file, with its bases.

        Raises:
            UsageError: mapping-invalid, with file and line of the first thing that is wrong; `check` finds all.
        """
        mapping = cls(page.read(path))
        if mapping.draft.flaws:
            raise _unusable(mapping.draft)
        return mapping

    @property
    def media_type(self) -> str:
        """Content type of the documents, with the character set where it is not UTF-8."""
        return self._renderer.media_type

    @property
    def suffix(self) -> str:
        """How the names of the documents end, without the dot."""
        return self._renderer.suffix

    def values(self, document: Document) -> dict[str, str]:
        """What stands where in a document of this mapping, for people."""
        return self._renderer.values(document.content)

    def document(self, submission: Submission) -> Document:
        """The submission in the form of the back office. The same submission gives the same bytes.

        Raises:
            Refused: it has no such form; the reason names fields of the target and never a value.
        """
        if submission.message_type not in self.spec.messages:
            kind = "not an application" if self.spec.messages == (APPLICATION,) else "not a message that this office takes"
            raise Refused(kind)
        with functions.translating(submission):
            root = self.paths.context(submission.root)
            self._refuse(root)
            content = self._renderer.render(fill(self.entries, root))
        return self.wrapped(submission.id, content)

    def wrapped(self, submission_id: UUID, content: bytes) -> Document:
        """The document with this content."""
        return Document(submission_id, f"{submission_id}.{self.suffix}", self.media_type, content)

    def _refuse(self, root: ContextNode) -> None:
        for reason, read in self.refused.items():
            try:
                found = read.select(root)
            except Failed:  # a text of lxml could quote a value
                raise Refused(f"{REFUSED}: the XPath of '{reason}' cannot be evaluated") from None
            if functions.holds(found):
                raise Refused(f"{reason}{_place(found)}")


def _place(found: Any) -> str:
    """Where the first element stands, if it is elements that were found."""
    first = found[0] if isinstance(found, list) else None
    return f" ({first.getroottree().getelementpath(first)})" if etree.iselement(first) else ""


def _unusable(draft: Draft) -> UsageError:
    first = draft.flaws[0]
    return UsageError(problems.MAPPING, first.detail, where=str(first.spot))
