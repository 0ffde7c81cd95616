"""Messages and documents for people and scripts. These are views: nothing reads them back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import xmltodict
from lxml import etree

from schemas import xml

_NAMESPACE: Final = re.compile(r"\{[^}]*\}")
_REPEATED: Final = frozenset(("antragsteller", "feld", "wert", "anlage", "erreichbarkeit"))
"""Elements of our messages that can occur several times: lists, even where there is one. In other messages a list is what occurs twice."""


def as_json(root: etree._Element) -> dict[str, Any]:
    """Elements by name, attributes by `@name`, text beside attributes as `#text`; whatever can be repeated is a list."""
    view: dict[str, Any] = xmltodict.parse(etree.tostring(root), force_list=_is_repeated)
    return view


def _is_repeated(path: list[tuple[str, Any]], key: str, _: Any) -> bool:
    return key in _REPEATED or (key == "grund" and len(path) == 1)


def plain(path: str) -> str:
    """A path without namespaces."""
    return _NAMESPACE.sub("", path)


def xml_values(content: bytes) -> dict[str, str]:
    """What stands where in a document of XML: texts of elements and attributes, by paths of local names.

    Raises:
        ValueError: it cannot be read.
    """
    root = xml.parse_declared(content)
    return dict(_xml_values(root))


def _xml_values(root: etree._Element) -> Iterator[tuple[str, str]]:
    tree = root.getroottree()
    for element in root.iter("*"):
        path = "" if element is root else plain(tree.getelementpath(element))
        for name, value in element.attrib.items():
            attribute = f"@{plain(str(name))}"
            yield f"{path}/{attribute}" if path else attribute, str(value)
        if not len(element) or (element.text or "").strip():
            yield path or etree.QName(root).localname, element.text or ""


def json_values(content: bytes) -> dict[str, str]:
    """What stands where in a document of JSON, by paths of names.

    Raises:
        ValueError: it cannot be read.
    """
    return dict(_json_values(json.loads(content), ""))


def _json_values(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _json_values(member, f"{path}/{name}" if path else name)
    elif isinstance(value, list):
        for number, member in enumerate(value, start=1):
            yield from _json_values(member, f"{path}[{number}]")
    elif value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value)


def values(content: bytes, content_type: str) -> dict[str, str]:
    """The same by the kind of content, where nothing more is known of a document.

    Raises:
        ValueError: it is not what its content type says.
    """
    if "xml" in content_type:
        return xml_values(content)
    return json_values(content) if "json" in content_type else line_values(content, "utf-8")


def line_values(content: bytes, charset: str) -> dict[str, str]:
    """The lines of any other document, by their numbers."""
    return {f"line {number}": line for number, line in enumerate(content.decode(charset, "backslashreplace").splitlines(), start=1)}
