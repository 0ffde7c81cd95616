"""An XSD with everything that it imports, from folders of this machine and never from anywhere else.

Schemas of XÖV standards name each other by addresses on the internet. Here the last part of such an address is a file name, which is
looked for in the folders of the schema set, in their order. Nothing is loaded from the address itself, and no file outside the folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from lxml import etree

from schemas import problems
from schemas.errors import UsageError
from schemas.findings import Finding, Paths, line_of

PACKAGE_XSD: Final = Path(__file__).with_name("xsd")
STUBS: Final = PACKAGE_XSD / "stubs"
MAX_FINDINGS: Final = 100
_MOST_FAULTS: Final = 2_000
"""For the path of each of them libxml2 goes over all siblings before it, and there are up to `xml.MAX_ELEMENTS`."""
_MANY_BYTES: Final = 32 * 1024
"""A shorter message cannot have so many of them that it matters."""
_PIECE_BYTES: Final = 16 * 1024

# Of libxml2's texts only names are taken, from places where no value can stand.
_ATTRIBUTE = re.compile(r"Element '[^']*'(?:, attribute |: The attribute )'(?:\{[^}']*\})?([^'{}]*)'")
_EXPECTED = re.compile(r" Expected is (?:one of )?\( ([^()]*) \)\.$")
_DECLARED = re.compile(rb"""\b(?:xmlns:([\w.-]+)\s*=|name\s*=\s*["']([^"']+)["'])""")
_LOCAL_NAME = re.compile(r"(?:\{[^}]*\})?([\w.-]+)")

_CONTENT: Final = "SCHEMAV_ELEMENT_CONTENT"
_NOT_OF_TYPE: Final = "SCHEMAV_CVC_DATATYPE_VALID_1_2_1"
_BLANKS: Final = " \t\n\r"
_UNKNOWN_ROOT: Final = "SCHEMAV_CVC_ELT_1"
_WORDS: Final = {
    _CONTENT: "this element is not expected here, or one is missing inside it",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "there is text where only elements may stand",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "an attribute is not allowed here",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "a required attribute is missing",
    "SCHEMAV_CVC_AU": "an attribute does not have the one value that it may have",
    "SCHEMAV_CVC_ELT_5_2_2_2_2": "the element does not have the one value that it may have",
    "SCHEMAV_CVC_PATTERN_VALID": "the value is not written as its type demands",
    "SCHEMAV_CVC_ENUMERATION_VALID": "the value is none of those that its type lists",
    "SCHEMAV_CVC_MINLENGTH_VALID": "the value is too short or empty",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "the value is too long",
    _NOT_OF_TYPE: "the value is not of its type",
}


class SchemaSet:
    """One compiled XSD; compiled when first used, and safe to share between threads.

    `entry` is a file name. `folders` are searched for it and for what it imports; a file that is a link out of its folder is refused.
    With `stubs`, the stand-ins that come with Stadtbus answer for what no folder has.
    """

    def __init__(self, entry: str, folders: Sequence[Path], *, stubs: bool = False) -> None:
        self.entry = entry
        self.folders = (*folders, STUBS) if stubs else tuple(folders)
        self._lock = Lock()
        self._compiled: etree.XMLSchema | None = None
        self._names: frozenset[str] = frozenset()

    def compile(self) -> None:
        """Compile now, so that a broken schema is found before the first message needs it.

        Raises:
            UsageError: schema-set-broken, naming file and reason.
        """
        with self._lock:
            self._schema()

    @property
    def names(self) -> frozenset[str]:
        """Every name and prefix that its files declare. Compiles when it is the first to be asked, and raises as that does."""
        with self._lock:
            self._schema()
            return self._names

    def findings(self, root: etree._Element) -> list[Finding]:
        """What in a message breaks the XSD, at most MAX_FINDINGS, with line, path and libxml2's name of the rule; one without a place where
        there are more than some thousand.

        libxml2's own text is left out, because it quotes values. May be called from several threads.

        Raises:
            UsageError: as `compile`.
        """
        with self._lock:  # lxml keeps one error log for each schema
            schema = self._schema()
            if _has_endless_faults(schema, root):
                detail = f"more than {_MOST_FAULTS} places are not as the schema demands"
                return [Finding(problems.NOT_VALID, "xsd", detail, line_of(root), Paths().of(root))]
            if schema.validate(root):
                return []
            log: list[etree._LogEntry] = list(schema.error_log)  # type: ignore[call-overload] # the stubs lack its iterator
            with _collapsed(root, log) as changed:
                if changed:
                    log = [] if schema.validate(root) else list(schema.error_log)  # type: ignore[call-overload]
        elements, paths = _Elements(root), Paths()
        return [_finding(elements, paths, entry) for entry in log[:MAX_FINDINGS]]

    def _schema(self) -> etree.XMLSchema:
        if self._compiled is None:
            self._compiled, self._names = _compile(self.entry, self.folders)
        return self._compiled


def _compile(entry: str, folders: Sequence[Path]) -> tuple[etree.XMLSchema, frozenset[str]]:
    """The schema, and the names and prefixes that its files declare."""
    resolver = _Folders(folders)
    parser = etree.XMLParser(resolve_entities="internal", no_network=True)  # type: ignore[arg-type] # the stubs know only bool
    parser.resolvers.add(resolver)
    try:
        path = resolver.find(entry)
        schema = etree.XMLSchema(etree.fromstring(resolver.read(path.name), parser, base_url=str(path)))
    except (OSError, etree.LxmlError) as error:
        # An import that fails is told by the resolver, which knows why; libxml2 only knows that.
        raise _broken(entry, folders, resolver.refused or [_reason(error)]) from None
    if resolver.refused:  # libxml2 passes over an import of which it needs nothing
        raise _broken(entry, folders, resolver.refused)
    return schema, frozenset(resolver.names)


def _broken(entry: str, folders: Sequence[Path], reasons: Sequence[str]) -> UsageError:
    return UsageError(problems.SCHEMA_SET, "; ".join(reasons), where=str(folders[0] / entry))


def _reason(error: OSError | etree.LxmlError) -> str:
    """Why a schema cannot be compiled. libxml2's text is shown, because it quotes the schema and no message."""
    if isinstance(error, OSError):
        return str(error)
    entry = error.error_log.last_error  # type: ignore[attr-defined] # the stubs lack it
    return f"{PurePosixPath(entry.filename).name}, line {entry.line}: {entry.message}" if entry is not None else "not a schema"


class _Folders(etree.Resolver):
    """Answers every request of libxml2 from the folders, or refuses it. It never passes one on."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self.refused: list[str] = []
        self.names: set[str] = set()
        """That the files declare which were read."""

    def resolve(self, system_url: str, _public_id: str | None, context: Any) -> Any:  # type: ignore[override] # the stubs lack the context
        try:
            content = self.read(PurePosixPath(unquote(urlsplit(system_url).path)).name)
            return self.resolve_string(content, context, base_url=system_url)  # by its address libxml2 knows what it has already
        except (OSError, ValueError) as error:
            self.refused.append(str(error))
            raise

    def read(self, name: str) -> bytes:
        content = self.find(name).read_bytes()
        self.names.update(found.decode(errors="replace") for pair in _DECLARED.findall(content) for found in pair if found)
        return content

    def find(self, name: str) -> Path:
        for folder in self._folders:
            path = folder / name
            if path.is_file():
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise PermissionError(f"{name} is a link out of {folder}")
                return path
        raise FileNotFoundError(f"{name} is in none of the folders {', '.join(map(str, self._folders))}")


def _has_endless_faults(schema: etree.XMLSchema, root: etree._Element) -> bool:
    """Whether a large message breaks its schema at more places than anybody looks at: found while it is read again, piece by piece, where
    faults have no paths.
    """
    body: bytes = etree.tostring(root, encoding="UTF-8")
    if len(body) <= _MANY_BYTES:
        return False
    parser = etree.XMLParser(schema=schema, resolve_entities="internal", no_network=True)  # type: ignore[arg-type] # the stubs know only bool
    for begin in range(0, len(body), _PIECE_BYTES):
        parser.feed(body[begin : begin + _PIECE_BYTES])
        if len(parser.feed_error_log) > _MOST_FAULTS:
            return True
    return False


@contextmanager
def _collapsed(root: etree._Element, log: Sequence[etree._LogEntry]) -> Iterator[bool]:
    """Values that are not of their type lose their outer blanks for as long as the context lasts; it yields whether there are any.

    libxml2 forgets to collapse blanks around dates, times and durations, unless a pattern, an enumeration or a union is checked too.
    Whatever it says to be not of its type is of a type whose outer blanks do not count: of strings, the only ones where they do, any text is.
    """
    places = dict.fromkeys((_path_in(entry), _attribute_of(entry)) for entry in log if entry.type_name == _NOT_OF_TYPE)
    found = list(_with_outer_blanks(root, places))
    for element, attribute, value in found:
        _set(element, attribute, value.strip(_BLANKS))
    try:
        yield bool(found)
    finally:
        for element, attribute, value in found:
            _set(element, attribute, value)


def _with_outer_blanks(root: etree._Element, places: Iterable[tuple[str, str]]) -> Iterator[tuple[etree._Element, str, str]]:
    """Of these places the elements and the names of attributes, empty for the text itself, with their values."""
    elements = _Elements(root)
    for path, attribute in places:
        element = elements.at(path)
        values = {name: element.get(name, "") for name in map(str, element.attrib)} if attribute else {"": element.text or ""}
        for name, value in values.items():
            if name.rpartition("}")[2] == attribute and value.strip(_BLANKS) not in (value, ""):
                yield element, name, value


def _set(element: etree._Element, attribute: str, value: str) -> None:
    if attribute:
        element.set(attribute, value)
    else:
        element.text = value


def _path_in(entry: etree._LogEntry) -> str:
    """The path as libxml2 writes it, which cuts off what is very long; inside a letter, it is none."""
    try:
        return str(entry.path)
    except UnicodeDecodeError:
        return ""


def _attribute_of(entry: etree._LogEntry) -> str:
    """The local name of the attribute that a finding of libxml2 is about; empty where it is the element."""
    found = _ATTRIBUTE.match(entry.message)
    return found[1] if found else ""


def _finding(elements: _Elements, paths: Paths, entry: etree._LogEntry) -> Finding:
    element = elements.at(_path_in(entry))
    path = paths.of(element)
    if element.getparent() is None and entry.type_name == _UNKNOWN_ROOT:
        return Finding(problems.UNKNOWN_MESSAGE, "xsd", "the schemas of this namespace have no such root element", entry.line, path)
    words = _WORDS.get(entry.type_name, "the schema does not allow this")
    expected = ", ".join(_expected(entry))
    detail = f"{words}{expected and '; expected: '}{expected} ({entry.type_name})"
    if attribute := _attribute_of(entry):
        return Finding(problems.NOT_VALID, "xsd", detail, entry.line, f"{path}/@{attribute}", value=element.get(attribute))
    return Finding(problems.NOT_VALID, "xsd", detail, entry.line, path, value=element.text)


def _expected(entry: etree._LogEntry) -> list[str]:
    """Names of the elements that the schema has at this place; they come from the schema, not from the message."""
    listed = _EXPECTED.search(entry.message) if entry.type_name == _CONTENT else None
    return _LOCAL_NAME.findall(listed[1]) if listed else []


class _Elements:
    """The elements of a message by the paths of libxml2. Siblings are counted once, however many of them are asked for."""

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._children: dict[etree._Element, dict[str, list[etree._Element]]] = {}

    def at(self, path: str) -> etree._Element:
        """The element at a path. `*[3]` is the third of all siblings: libxml2 writes so where a default namespace is declared.

        Paths of very long names are cut off by libxml2; then it is the innermost element that is named in full.
        """
        element = self._root
        for step in path.split("/")[2:]:
            name, _, position = step.rstrip("]").partition("[")
            named = self._below(element).get(name, ())[int(position or 1) - 1 :]
            if not named:
                break
            element = named[0]
        return element

    def _below(self, element: etree._Element) -> dict[str, list[etree._Element]]:
        """The children by their names with prefix, and all of them as `*`."""
        if element not in self._children:
            named = self._children[element] = {"*": list(element.iterchildren("*"))}
            for child in named["*"]:
                local_name = etree.QName(child).localname
                named.setdefault(f"{child.prefix}:{local_name}" if child.prefix else local_name, []).append(child)
        return self._children[element]
