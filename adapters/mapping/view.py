"""A message as JSON, for people and scripts. It is a view: nothing reads it back."""

from __future__ import annotations

from typing import Any, Final

import xmltodict
from lxml import etree

_REPEATED: Final = frozenset(("antragsteller", "feld", "wert", "anlage", "erreichbarkeit"))
"""Elements of our messages that can occur several times: lists, even where there is one. In other messages a list is what occurs twice."""


def as_json(root: etree._Element) -> dict[str, Any]:
    """Elements by name, attributes by `@name`, text beside attributes as `#text`; whatever can be repeated is a list."""
    view: dict[str, Any] = xmltodict.parse(etree.tostring(root), force_list=_is_repeated)
    return view


def _is_repeated(path: list[tuple[str, Any]], key: str, _: Any) -> bool:
    return key in _REPEATED or (key == "grund" and len(path) == 1)
