"""A message with everything that rules hold it against, and the quick looks that spare most messages most rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cache, cached_property
from typing import Final

from lxml import etree

from schemas.catalogue import Catalogue, Route
from schemas.din91379 import Datatype, first_disallowed
from schemas.errors import Rejected
from schemas.examination.rules import xpaths
from schemas.examination.rules.xpaths import Select
from schemas.findings import Breach
from schemas.message.header import MessageHeader
from schemas.message.xsd import datatypes
from schemas.nfc import is_nfc

# What a text that was encoded twice is made of: UTF-8's first byte of several, then one that follows it, both read as Windows-1252.
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
_MARK = re.compile("[\u0300-\u036f]")
_ELSEWHERE: Final = "?"
"""Stands for all paths of which `datatypes` has none; no element has that name."""
_ASCII: Final = bytes(range(128))
_CONTROLS: Final = (b"\t", b"\n", b"\r", b"\x7f")
"""All of ASCII that is XML without being printable."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a portal says beside a genuine XÖV message: service (LeiKa key) and area (ARS or AGS)."""

    service: str
    area: str


@dataclass(frozen=True)
class Subject:
    """A message with everything that rules may hold it against. `examine` makes one for each message; nothing in it changes."""

    root: etree._Element
    body: bytes
    """What `root` was parsed from."""
    head: MessageHeader | None
    """None where the message has none of the headers that we read."""
    own: bool
    """Whether it is a message of our own, else a genuine XÖV message."""
    catalogue: Catalogue
    now: datetime
    today: date
    accept_test: bool = False
    claim: Claim | None = None
    needs_header: bool = False
    """Whether a genuine message without a header that we read is refused."""
    route: Route | None = None
    """The route that the message was written for, where that is known; else `routed` looks it up."""

    def in_header(self, path: str, detail: str) -> Iterator[Breach]:
        """A breach at an element of the header; where that is missing, at the innermost element around it that is there."""
        element = self.header_element(path)
        while element is None and path:
            path = path.rpartition("/")[0]
            element = self.header_element(path)
        if element is not None:
            yield Breach(detail, element, value=element.text)

    @cached_property
    def attachments(self) -> list[etree._Element]:
        """The attachments of a message of our own."""
        return [one for all_of_them in self.root.iterchildren("anlagen") for one in all_of_them]

    def header_element(self, path: str) -> etree._Element | None:
        """An element of the header by its path of local names (none: the header itself), whatever their namespaces; None if missing."""
        found = next(self.root.iterchildren("*"), None) if self.head else None
        for name in path.split("/") if path else ():
            found = None if found is None else next((child for child in found.iterchildren(f"{{*}}{name}")), None)
        return found

    @cached_property
    def routed(self) -> Route | Rejected | None:
        """Where service and area lead, asked of the catalogue once; its refusal where they lead nowhere; None where one of the two was not said."""
        if self.route is not None:
            return self.route
        claim = self.claim
        if self.own:
            coded = {element.tag: element for element in self.root.iterchildren("leistung", "gebiet")}
            sent = [_code_of(element) for element in coded.values()]
            claim = Claim(*sent) if len(sent) == len(fields(Claim)) else None
        return None if claim is None else _route(self.catalogue, claim, self.today)

    @cached_property
    def texts(self) -> tuple[PlacedText, ...]:
        """Every text and attribute value, with the datatype of its field."""
        return tuple(self._placed())

    def _placed(self) -> Iterator[PlacedText]:
        types: Mapping[str, Datatype] = datatypes() if self.own else {}
        for element, path in self._with_paths():
            for value in (element.text, *(child.tail for child in element)):
                if value and not value.isspace():
                    yield PlacedText(value, types.get(path, "C"), element)
            for name in map(str, element.attrib):
                yield PlacedText(element.get(name, ""), types.get(f"{path}/@{name}".lstrip("/"), "C"), element, name)

    def _with_paths(self) -> Iterator[tuple[etree._Element, str]]:
        """Every element with its local names from the root's child on, as `datatypes` has them; _ELSEWHERE where that has no such path.

        Each path is made of the one around it, which is known and so is short: nobody walks back to the root.
        """
        known = _known_paths()
        paths = {self.root: ""}
        for element in self.root.iter("*"):
            yield element, paths[element]
            for child in element.iterchildren("*"):
                path = f"{paths[element]}/{etree.QName(child).localname}".lstrip("/")
                paths[child] = path if path in known else _ELSEWHERE

    @cached_property
    def inconspicuous(self) -> bool:
        """True: the message has no attachments, no attribute test, and no code list or code that may be unknown; told by one XPath for all."""
        return not xpaths.CONSPICUOUS(self.root)

    @cached_property
    def all_text_fits(self) -> bool:
        """True: all text is surely NFC, of its datatype and encoded once. False: each text has to be looked at.

        Told from the body as a whole, which is much cheaper: mark-up is ASCII, and all ASCII is of datatype C.
        """
        letters = self.body.translate(None, _ASCII).decode()
        return (
            not (b"&" in self.body and b"&#" in self.body)  # one byte is found much faster than two
            and not _MARK.search(letters)  # a mark is right or wrong by the letter before it, which may be ASCII
            and is_nfc(letters)
            and first_disallowed(letters, "C") is None
            and not _MOJIBAKE.search(letters)
            and not (self.own and self._breaks_narrow(letters))
        )

    def _breaks_narrow(self, letters: str) -> bool:
        """Whether a text of our own messages may break A, B or D. All printable ASCII is of B, which is a part of D."""
        narrow = _narrow()
        content = self.body.partition(b"?>")[2].lstrip() if self.body.startswith(b"<?xml") else self.body
        if first_disallowed(letters, "B") is None and not any(control in content for control in _CONTROLS):
            narrow = {"A": narrow["A"]}
        return any(first_disallowed(" ".join(texts(self.root)), datatype) for datatype, texts in narrow.items())


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A text of a message and the place that it stands in."""

    value: str
    datatype: Datatype
    element: etree._Element
    attribute: str = ""


def _code_of(element: etree._Element) -> str:
    code = next(element.iterchildren("code"), None)
    return "" if code is None else (code.text or "").strip()


def _route(catalogue: Catalogue, claim: Claim, on: date) -> Route | Rejected:
    try:
        return catalogue.route(claim.service, claim.area, on)
    except Rejected as error:
        return error


@cache
def _known_paths() -> frozenset[str]:
    """The paths of `datatypes` with those of all elements around them; the root has the empty one."""
    steps = [path.split("/") for path in datatypes()]
    return frozenset("/".join(names[:end]) for names in steps for end in range(len(names) + 1))


@cache
def _narrow() -> Mapping[Datatype, Select]:
    """The texts of our messages whose datatype takes less than C; joined by blanks, which every datatype takes, they are checked at once.

    Those of D are asked to be of B, which is a part of it: else they are looked at one by one.
    """
    paths: dict[Datatype, list[str]] = {"A": [], "B": []}
    for path, datatype in datatypes().items():
        if datatype != "C":
            paths["A" if datatype == "A" else "B"].append(f"{path}/text()")
    return {datatype: xpaths.one_by_one(found) for datatype, found in paths.items()}
