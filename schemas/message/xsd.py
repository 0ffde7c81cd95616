"""The fields of our messages as the XSD describes them: path, occurrence, type, datatype of DIN 91379, documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from lxml import etree

from schemas import message, xml
from schemas.din91379 import Datatype
from schemas.schema_set import PACKAGE_XSD

_XS: Final = "{http://www.w3.org/2001/XMLSchema}"
_OWN: Final = "e:"
_TEXTS: Final[Mapping[str, Datatype]] = {"e:TextA": "A", "e:TextB": "B", "e:TextC": "C", "e:TextD": "D"}


@dataclass(frozen=True, slots=True)
class MessageField:
    """One element or attribute of a message.

    `path` holds local names from the root's children on, an attribute's with `@`; `occurs` is as in UML (`1`, `0..1`, `1..20`), where
    a branch of a choice counts as optional; `type_name` is empty for a type without a name.
    """

    path: str
    occurs: str
    type_name: str
    datatype: Datatype | None
    documentation: str


@cache
def datatypes() -> Mapping[str, Datatype]:
    """The datatype of each text of our messages by its path, for example `antragsteller/natuerlichePerson/familienname/name`.

    Holds the elements and attributes (`@produkt`, `leistung/@listVersionID`) whose type derives from `TextA` to `TextD` of the XSD;
    a path means the same in each message.
    """
    found = {field.path: field.datatype for name in messages() for field in fields(name) if field.datatype is not None}
    return MappingProxyType(found)


def content() -> bytes:
    """The XSD as it is, for portal teams."""
    return (PACKAGE_XSD / f"{message.SCHEMA}.xsd").read_bytes()


def messages() -> tuple[str, ...]:
    """The root elements of the family, in the order of the XSD."""
    return tuple(element.get("name", "") for element in _xsd().iterfind(f"{_XS}element"))


def documentation(name: str) -> str:
    """The documentation of a message in the XSD, as one line."""
    return _documentation(_root(name))


def fields(name: str) -> list[MessageField]:
    """All fields of a message, parents before children; a field in several branches of a choice comes once."""
    found = _content(_complex_type(_root(name)), "", optional=False)
    return list({field.path: field for field in found}.values())


def _root(name: str) -> etree._Element:
    """The declaration of a message."""
    found = _declared("element", name)
    if found is None:
        raise LookupError(f"the family has no message {name}")
    return found


@cache
def _xsd() -> etree._Element:
    return xml.parse(content())


@cache
def _declared(kind: str, name: str) -> etree._Element | None:
    """A global declaration of the XSD, named with or without our prefix; None where it has none of that name."""
    return _xsd().find(f"{_XS}{kind}[@name='{name.removeprefix(_OWN)}']")


def _content(node: etree._Element | None, path: str, *, optional: bool) -> Iterator[MessageField]:
    """The fields of a type, a group or a part of one."""
    for child in () if node is None else node:
        kind = etree.QName(child).localname
        if kind in ("element", "attribute"):
            yield from _field(child, path, optional=optional)
        elif kind == "group":
            yield from _content(_declared("group", child.get("ref", "")), path, optional=optional)
        elif kind in ("complexContent", "sequence", "choice", "extension", "restriction"):
            yield from _inherited(child, path, optional=optional)
            yield from _content(child, path, optional=optional or kind == "choice")


def _inherited(node: etree._Element, path: str, *, optional: bool) -> Iterator[MessageField]:
    """What a type takes from its base: all of it when it extends, only the attributes when it restricts, which says elements again."""
    for field in _content(_declared("complexType", node.get("base", "")), path, optional=optional):
        if node.tag == f"{_XS}extension" or field.path.startswith(f"{path}@"):
            yield field


def _field(node: etree._Element, parent: str, *, optional: bool) -> Iterator[MessageField]:
    mark = "@" if node.tag == f"{_XS}attribute" else ""
    path = f"{parent}{mark}{node.get('name')}"
    yield MessageField(
        path, _occurs(node, optional=optional), node.get("type", "").removeprefix(_OWN), _datatype(node), _documentation(node)
    )
    yield from _content(_complex_type(node), f"{path}/", optional=False)


def _complex_type(node: etree._Element) -> etree._Element | None:
    """The complex type of an element: its own, or one of ours by name."""
    own = node.find(f"{_XS}complexType")
    return own if own is not None else _declared("complexType", node.get("type", ""))


def _occurs(node: etree._Element, *, optional: bool) -> str:
    if node.tag == f"{_XS}attribute":
        return "1" if node.get("use") == "required" else "0..1"
    least = "0" if optional else node.get("minOccurs", "1")
    most = node.get("maxOccurs", "1").replace("unbounded", "*")
    return least if least == most else f"{least}..{most}"


def _datatype(node: etree._Element) -> Datatype | None:
    """The letter of the `TextA` to `TextD` that the simple type of an element or attribute derives from."""
    base = node.get("type") or _base(node.find(f"{_XS}simpleType"))
    while base and base not in _TEXTS:
        base = _base(_declared("simpleType", base))
    return _TEXTS.get(base)


def _base(simple: etree._Element | None) -> str:
    restriction = None if simple is None else simple.find(f"{_XS}restriction")
    return "" if restriction is None else restriction.get("base", "")


def _documentation(node: etree._Element) -> str:
    return " ".join(node.findtext(f"{_XS}annotation/{_XS}documentation", "").split())
