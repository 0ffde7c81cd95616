"""Changes that keep the form of what they change, so that readers behind the parser see them too: random bytes are seldom XML."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from lxml import etree

from schemas import xml
from schemas.errors import Rejected

CANARY: Final = "Kanarienvogel"
"""A value that no error text may quote."""
_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_VALUES: Final = (
    *(CANARY, f"{CANARY}u\u0308", f"{CANARY} \u2013 MÃ¼nchen", f"kop:{CANARY}", f"{CANARY}😀\u202e", f"2026-03-01T08:30:00.000Z{CANARY}"),
    *("", " ", "0100", "-1", "9" * 400, "true", "2026-02-30", "0001-01-01", "9999-12-31T23:59:59.999-14:00", "e:einreichung.antrag.0100"),
)
_ATTRIBUTES: Final = ("test", "id", "listURI", "listVersionID", "version", f"{_XSI}type", f"{_XSI}nil", f"{_XSI}schemaLocation")
_YAML_VALUES: Final = (
    *("", "[1]", "{a: b}", "[" * 2_000, "&a [*a]", "7", "9" * 400, "yes", ".nan", "2026-01-01", "0x_", "!!binary x", "|", "<<: *x"),
    *('"\\ud800"', '"\\0"', '"(((("', '"//*[last()]"', '"count(//*)"', '"$x"', '"a:b"', '"../.."', "../../mapping", "muenchen", "é" * 300),
)


def tree(body: bytes, choose: Random) -> bytes:
    """The document after up to three changes to its tree; what is no XML stays as it is."""
    try:
        root = xml.parse(body)
    except Rejected:
        return body
    for _ in range(choose.randint(1, 3)):
        choose.choice(_CHANGES)(choose.choice(list(root.iter())), choose)
    return etree.tostring(root, encoding="utf-8")


def lines(body: bytes, choose: Random) -> bytes:
    """The page after one of its values is replaced, or one of its lines is deleted or repeated."""
    page = body.splitlines()
    if not page:
        return body
    number = choose.randrange(len(page))
    key, colon, _ = page[number].partition(b":")
    replaced = key + colon + b" " + choose.choice(_YAML_VALUES).encode()
    page[number : number + 1] = choose.choice([[replaced], [replaced], [], [page[number]] * 2])
    return b"\n".join(page)


def _text(element: etree._Element, choose: Random) -> None:
    element.text = choose.choice(_VALUES)


def _attribute(element: etree._Element, choose: Random) -> None:
    element.set(choose.choice([*element.keys(), *_ATTRIBUTES]), choose.choice(_VALUES))


def _no_attribute(element: etree._Element, choose: Random) -> None:
    for name in element.keys()[:1]:
        del element.attrib[name]


def _rename(element: etree._Element, choose: Random) -> None:
    element.tag = choose.choice([etree.QName(element).localname, *(other.tag for other in element.getroottree().iter())])


def _delete(element: etree._Element, choose: Random) -> None:
    if (parent := element.getparent()) is not None:
        parent.remove(element)


def _repeat(element: etree._Element, choose: Random) -> None:
    if (parent := element.getparent()) is not None:
        for _ in range(choose.choice([1, 1, 200])):
            parent.append(etree.fromstring(etree.tostring(element, with_tail=False)))


def _move(element: etree._Element, choose: Random) -> None:
    goal = choose.choice(list(element.getroottree().iter()))
    if element not in (goal, *goal.iterancestors()):
        goal.append(element)


_CHANGES: Final[tuple[Callable[[etree._Element, Random], None], ...]] = (
    *(_text, _text, _attribute, _no_attribute),
    *(_rename, _delete, _repeat, _move),
)
