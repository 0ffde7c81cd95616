"""Other messages that the gateway would take too, made of a complete one: with parts left out, repeated, or filled in otherwise.

A condition that a complete message does not fulfil may be one for what is missing, for what occurs once or often, or for a certain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations, islice, product
from typing import Final

from lxml import etree

from adapters.mapping import functions
from schemas.catalogue import LEVEL_NAMES, FieldSpec, Service
from schemas.message import xsd

_OFTEN: Final = 12
"""How often something occurs that may occur any number of times."""
_MOST_MESSAGES: Final = 1_000
_LONGEST: Final = 300
_HEAD: Final = "nachrichtenkopf"
_PATH: Final = re.compile(r"@?[A-Za-z_][\w.-]*(?:/@?[A-Za-z_][\w.-]*)*")
_NUMBER: Final = re.compile(r"(?<![\w.])\d{1,9}(?![\w.])")
_SAME: Final = ("x", "1900-01-01", "2100-01-01", "2010-01", "1", "0", "99999")
"""What two fields can both hold, of whatever kind they are."""
_CHOICES: Final = {
    "rueckkanalVorhanden": ("true", "false"),
    "antragsteller/vertrauensniveau/niveau": tuple(f"STORK-QAA-Level-{level}" for level in LEVEL_NAMES),
}
_BIRTH_DATE: Final = "antragsteller/natuerlichePerson/geburtsdatum"
_PARTIAL_DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_FREE: Final = ("antragsteller/vertrauensniveau/konto", f"{_HEAD}.g2g/autor/kennung", f"{_HEAD}.g2g/leser/kennung")
_SWAPPED: Final = str.maketrans("0123456789", "1032547698")

Change = Callable[[etree._Element], None]  # noqa: SLF001 - the only name that the type has


def changed(root: etree._Element, change: Change) -> etree._Element:
    """The message with a change, in a tree of its own."""
    copy = deepcopy(root)
    change(copy)
    return copy


def incomplete(root: etree._Element, service: Service) -> Iterator[etree._Element]:
    """With each part left out that may be missing, and each that may occur often once and many times; one at a time."""
    for change in (*_of_elements(root), *_of_fields(service)):
        yield changed(root, change)


def _of_elements(root: etree._Element) -> Iterator[Change]:
    for field in xsd.fields(etree.QName(root).localname):
        least, _, most = field.occurs.partition("..")
        if field.path.startswith((_HEAD, "inhalt/")) or "@" in field.path.removeprefix("@"):
            continue
        if field.path.startswith("@"):
            yield partial(_set_attribute, field.path[1:], None)
            continue
        if least == "0":
            yield partial(_remove, field.path)
        if most not in ("", "1"):
            yield partial(_keep_one, field.path)
            yield partial(_repeat, field.path)


def _of_fields(service: Service) -> Iterator[Change]:
    for spec in service.fields:
        if not spec.required:
            yield partial(_remove, _path(spec))
        if spec.many:
            yield partial(_keep_one, f"{_path(spec)}/wert")
            yield partial(_repeat, f"{_path(spec)}/wert")


def _path(spec: FieldSpec) -> str:
    return f"inhalt/formular/feld[@id='{spec.id}']"


def _set_attribute(name: str, text: str | None, root: etree._Element) -> None:
    if text is None:
        root.attrib.pop(name, "")
    else:
        root.set(name, text)


def _remove(path: str, root: etree._Element) -> None:
    for element in root.findall(path):
        _parent(element).remove(element)


def _keep_one(path: str, root: etree._Element) -> None:
    for element in root.findall(path)[1:]:
        _parent(element).remove(element)


def _repeat(path: str, root: etree._Element) -> None:
    found = root.findall(path)
    for _ in range(_OFTEN - len(found) if found else 0):
        found[-1].addnext(deepcopy(found[-1]))


def _parent(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    if parent is None:
        raise ValueError("the root is no part")
    return parent


# --- filled in otherwise


@dataclass(frozen=True, slots=True)
class _Slot:
    """Something that an XPath speaks of, by its path or that of an attribute of the root, and what it may be instead; None is missing."""

    path: str
    texts: Sequence[str | None]


def filled_otherwise(root: etree._Element, service: Service, xpath: str) -> Iterator[etree._Element]:
    """With up to three things that an XPath speaks of missing, or holding a text that the XPath names or that another holds too."""
    slots = [*_fields(service, xpath), *_others(root, service, xpath)]
    fillings = chain.from_iterable(_fillings(slots, at_once) for at_once in (1, 2, 3))
    for filling in islice(fillings, _MOST_MESSAGES):
        yield changed(root, partial(_fill, filling))


def _fillings(slots: Sequence[_Slot], at_once: int) -> Iterator[list[tuple[str, str | None]]]:
    for chosen in combinations(slots, at_once):
        for texts in product(*(slot.texts for slot in chosen)):
            yield [(slot.path, text) for slot, text in zip(chosen, texts, strict=True)]


def _fields(service: Service, xpath: str) -> Iterator[_Slot]:
    texts = _candidates(xpath)
    for spec in service.fields:
        if spec.id in xpath:
            fitting = [text for text in (*spec.codes, *texts) if spec.takes(text)]
            yield _Slot(f"{_path(spec)}/wert", fitting if spec.required else [None, *fitting])


def _others(root: etree._Element, service: Service, xpath: str) -> Iterator[_Slot]:
    """Elements, and attributes of the root, whose text is free or one of few, where the XPath has the end of their path."""
    ends = {end.removeprefix("@") for end in _PATH.findall(functions.without_literals(xpath))}
    texts = _candidates(xpath)
    for field in xsd.fields(etree.QName(root).localname):
        steps = field.path.removeprefix("@").split("/")
        if "@" in field.path[1:] or field.path.startswith("inhalt/") or ends.isdisjoint("/".join(steps[at:]) for at in range(len(steps))):
            continue
        chosen = _CHOICES.get(field.path, service.leika if field.path == "leistung/code" else ())
        if field.path == _BIRTH_DATE:
            chosen = tuple(filter(_PARTIAL_DATE.fullmatch, texts))
        if chosen or field.datatype is not None or field.path in _FREE:
            missing: list[str | None] = [None] if field.occurs.startswith("0") else []
            yield _Slot(field.path, [*missing, *(chosen or texts)])


def _candidates(xpath: str) -> list[str]:
    """Texts and numbers that an XPath compares with, alone, one after the other and at a place, and some that several fields can hold."""
    names = {name for function in ("feld", "code", "meta") for name in functions.literals(xpath, function)}
    literals = [text for text in functions.all_literals(xpath) if text.strip() and text not in names]
    numbers = [int(number) for number in _NUMBER.findall(functions.without_literals(xpath))]
    near = [str(one) for number in numbers for one in (number, number + 1, max(number - 1, 0))]
    short = [number for number in numbers if number < _LONGEST]
    long = ["x" * length for number in short for length in (number, number + 1) if length]
    placed = ["0" * (number - 1) + literal for number in short for literal in literals if number > 1]
    dates = [date for part in (*literals, *near) for date in (part, f"{part}-01", f"{part}-01-01", f"2026-{part}-01", f"2026-01-{part}")]
    return list(
        dict.fromkeys(
            [*literals, *filter(None, ["".join(literals)]), *near, *long, *placed, *filter(_PARTIAL_DATE.fullmatch, dates), *_SAME]
        )
    )


def _fill(filling: Sequence[tuple[str, str | None]], root: etree._Element) -> None:
    for path, text in filling:
        if path.startswith("@"):
            _set_attribute(path[1:], text, root)
        elif text is None:
            _remove(path.removesuffix("/wert"), root)
        else:
            for element in root.findall(path):
                element.text = text


# --- other texts in one place


def other_texts(text: str, codes: Mapping[str, Mapping[str, str]], xpaths: Iterable[str]) -> Iterator[str]:
    """Of the same shape, so that dates stay dates; then all that a mapping asks for by name, in tables and comparisons."""
    swapped = text.translate(_SWAPPED)
    yield swapped if swapped != text else f"{text}x"
    named = chain(chain.from_iterable(codes.values()), chain.from_iterable(map(functions.all_literals, xpaths)))
    yield from (one for one in dict.fromkeys(named) if one != text and one.strip())
