"""XML that a back office answered, read in locked workers (`infra.workers`): this process holds the logins of the office.

A worker hands back names and texts, one line for each element, and never a parsed document; JSON and plain text need none.
The workers start with the first answer in XML, and are those of all connections of this process.
"""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final

from lxml import etree
from pydantic import Field

from adapters import answers
from adapters.kit import UnclearAnswer
from infra.process_pool import NotStarted, ProcessPool
from infra.workers.operations import Operation
from schemas import problems, xml
from schemas.errors import Rejected, UsageError

_UNREADABLE: Final = (problems.TOO_LARGE, problems.ENCODING, problems.NOT_WELL_FORMED, problems.DOCTYPE, problems.TOO_COMPLEX)
_LONGEST_NAME: Final = 1000


@dataclass(frozen=True, slots=True)
class Element:
    """An element of an answer: local name and namespace, attributes by their local names, and the text before its first child."""

    name: str
    namespace: str
    text: str
    attributes: Mapping[str, str]
    children: list[Element]

    def at(self, path: str, namespace: str | None = None) -> Iterator[Element]:
        """The elements at a path of names from the outside in; of any namespace, unless one is said."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if child.name == name and namespace in (None, child.namespace):
                if rest:
                    yield from child.at(rest, namespace)
                else:
                    yield child


async def element(content: bytes, content_type: str = "") -> Element:
    """The root element of an answer in XML. Waits for a worker, and blocks nothing.

    Raises:
        Unreadable: it is not XML, or asks too much of its reader; Foreign where it is a page for people.
        UnclearAnswer: there is no worker to read it now.
    """
    return await _read(answers.text(content, content_type))


async def members(content: bytes, content_type: str = "") -> dict[str, Any]:
    """What an answer says, by name: the members of a JSON object, or attributes and children of an XML root, without namespaces.

    A child of XML that has children is a dictionary as well; of several with the same name the last counts. Empty where an answer has
    no names: a list, a number. Waits for a worker where it is XML.

    Raises:
        Unreadable: it is neither JSON nor XML, or asks too much of its reader; Foreign where it is a page for people.
        UnclearAnswer: there is no worker to read it now.
    """
    said = answers.text(content, content_type)
    if said.startswith("<"):
        return _members(await _read(said))
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        raise answers.Unreadable("neither JSON nor XML") from None
    return answer if isinstance(answer, dict) else {}


async def _read(said: str) -> Element:
    try:
        lines, _ = await _workers().run(READ, answers.undeclared(said), None)
    except (NotStarted, UsageError, RuntimeError):
        raise UnclearAnswer("no process to read the answer in could be started, or it failed") from None
    except Rejected as error:
        if error.problem is problems.READING_STALLED:
            raise UnclearAnswer("the process that reads the answer got no time") from None
        raise answers.Unreadable(f"not XML that may be read: {error.problem.code}") from None
    root = _tree(lines)
    answers.require_no_page(root.name)
    return root


def _members(parent: Element) -> dict[str, Any]:
    return {child.name: _members(child) if child.children else child.text for child in parent.children} | dict(parent.attributes)


def _tree(lines: list[Line]) -> Element:
    """What a worker says has its form, and may be wrong: whatever the depths are, each element is below one that came before."""
    above = [Element("", "", "", {}, [])]
    for line in lines:
        del above[line.depth + 1 :]
        found = Element(line.name, line.namespace, line.text, line.attributes, [])
        above[-1].children.append(found)
        above.append(found)
    return above[0].children[0]


@cache
def _workers() -> ProcessPool:
    """They end with this process."""
    pool = ProcessPool(_prepare, [READ])
    atexit.register(pool.close)
    return pool


# --- in a worker


@dataclass(frozen=True, slots=True)
class Line:
    """One element, in the order of the document."""

    depth: Annotated[int, Field(ge=0, lt=xml.MAX_DEPTH)]
    name: str
    namespace: str
    text: str
    attributes: dict[str, str]


Lines = Annotated[list[Line], Field(min_length=1, max_length=xml.MAX_ELEMENTS)]


def read_answer(content: bytes, _: None) -> tuple[Lines, bytes]:
    """The elements of a document.

    Raises:
        Rejected: it is not XML that may be read.
    """
    return list(_lines(answers.parsed(content), 0)), b""


def _lines(found: etree._Element, depth: int) -> Iterator[Line]:
    _require_short(found.tag, *found.attrib)
    name, attributes = etree.QName(found), {etree.QName(one).localname: str(value) for one, value in found.attrib.items()}
    yield Line(depth, name.localname, name.namespace or "", found.text or "", attributes)
    for child in found.iterchildren("*"):
        yield from _lines(child, depth + 1)


def _require_short(*names: str) -> None:
    """A namespace stands once in a document, and for each of its elements in what is made of it."""
    if any(len(name) > _LONGEST_NAME for name in names):
        raise Rejected(problems.TOO_COMPLEX, f"a name with its namespace is longer than {_LONGEST_NAME}")


def _prepare() -> None:
    read_answer(b"<a b='c'/>", None)


READ: Final = Operation(read_answer, _UNREADABLE)
