"""From the filled target to bytes: XML, JSON, CSV, fixed width.

All formats are written in the order of the mapping, but JSON, whose members are sorted. A field that takes one value is refused when it
gets several; nothing is cut off and nothing left out in silence.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from adapters.mapping import charsets, formulas, view
from adapters.mapping.compiled import CompiledField, FieldFault, Filled, Misfit, every, misfit
from adapters.mapping.functions import Value, as_text
from adapters.mapping.page import CsvTarget, Draft, FixedTarget, JsonTarget, Spec, TargetField, Unrepresentable, XmlTarget
from schemas import xml

_XML_NAME: Final = re.compile(r"(@)?(?:([A-Za-z_][\w.-]*):)?([A-Za-z_][\w.-]*)")
_IN_TEXT: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#13;"}
_IN_ATTRIBUTES: Final = _IN_TEXT | {ord('"'): "&quot;", ord("\t"): "&#9;", ord("\n"): "&#10;"}
"""What has to be written as a reference (XML 1.0, sections 2.4, 2.11 and 3.3.3)."""
_SPECIAL: Final = re.compile(r"[&<>\"\r\n\t]")
_ENCODING: Final = ("target", "encoding")
_LINE_END: Final = "\r\n"
_LINE_ENDS: Final = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What begins a new line for one reader or another."""


class Renderer(Protocol):
    """One format of documents, with its settings; made by `renderer`, once for a mapping."""

    media_type: str
    suffix: str

    def render(self, filled: list[Filled]) -> bytes:
        """The document.

        Raises:
            Misfit: a value does not fit, by name of the field.
        """

    def values(self, content: bytes) -> dict[str, str]:
        """What stands where in a document that was rendered here, for people."""


def renderer(draft: Draft, spec: Spec, entries: tuple[CompiledField, ...]) -> Renderer:
    """The renderer of a mapping; what the format cannot have is noted in the draft."""
    target = spec.target
    if isinstance(target, XmlTarget):
        return _Xml(draft, target, entries)
    if isinstance(target, JsonTarget):
        return _Json(draft, entries)
    return _Csv(draft, target, entries) if isinstance(target, CsvTarget) else _Fixed(draft, target, entries)


def _one(entry: CompiledField, values: Sequence[Value]) -> Value | None:
    if len(values) > 1:
        raise misfit(entry, "several values, and the target takes one")
    return values[0] if values else None


def _unwritable(reason: str, entry: CompiledField) -> Misfit:
    fault: FieldFault = (entry, reason)
    return Misfit(reason, [fault])


def _media_type(kind: str, encoding: str) -> str:
    return kind if encoding.upper() == "UTF-8" else f"{kind}; charset={encoding}"


class _Xml:
    suffix = "xml"

    def __init__(self, draft: Draft, target: XmlTarget, entries: tuple[CompiledField, ...]) -> None:
        self.media_type = _media_type("application/xml", target.encoding)
        self._target = target
        self._declaration = f"<?xml version='1.0' encoding='{target.encoding}'?>\n"
        self._declared = "".join(f' xmlns:{prefix}="{uri.translate(_IN_ATTRIBUTES)}"' for prefix, uri in target.namespaces.items())
        self._root = self._prefixed(draft, target.root, "", "target", "root")
        self._names = dict(self._named(draft, entries, self._root))
        self._check_encoding(draft, entries)
        self._tags = {entry: (f"<{name}>", f"</{name}>") for entry, name in self._names.items()}

    def _check_encoding(self, draft: Draft, entries: Iterable[CompiledField]) -> None:
        """A parser has to know it, and it has to have every letter of the names: there is no reference in a name."""
        encoding = self._target.encoding
        try:
            xml.parse_declared(f"{self._declaration}<a/>".encode(encoding))
        except ValueError:
            known = "for example UTF-8, ISO-8859-1, ISO-8859-15, windows-1252"
            draft.add(
                "encoding", f"XML parsers do not know the encoding '{encoding}' by this name; write one that they know, {known}", *_ENCODING
            )
        for entry in every(entries):
            if not charsets.has(self._names[entry], encoding):
                draft.add("encoding", f"{encoding} has not every letter of the name '{self._names[entry]}'", *entry.place)
        if not charsets.has(self._root, encoding):
            draft.add("encoding", f"{encoding} has not every letter of the name '{self._root}'", "target", "root")

    def _named(self, draft: Draft, entries: Iterable[CompiledField], around: str) -> Iterator[tuple[CompiledField, str]]:
        """Every field with its name in the document."""
        for entry in entries:
            name = self._prefixed(draft, entry.name, around, *entry.place)
            if entry.name.startswith("@") and entry.below:
                draft.add("xml-name", f"the attribute '{entry.name}' cannot have fields", *entry.place)
            yield entry, name
            yield from self._named(draft, entry.below, name)

    def _prefixed(self, draft: Draft, name: str, around: str, *place: str) -> str:
        """A name with its prefix; an element without one has that of the element around it, an attribute none."""
        found = _XML_NAME.fullmatch(name)
        if found is None:
            draft.add("xml-name", f"'{name}' is no name of an XML element or, with @, attribute", *place)
            return name
        mark, prefix, local = found.groups()
        if prefix is None:
            return local if mark or ":" not in around else f"{around.partition(':')[0]}:{local}"
        if prefix not in self._target.namespaces:
            draft.add("xml-name", f"the prefix of '{name}' is not in namespaces", *place)
        return f"{prefix}:{local}"

    def render(self, filled: list[Filled]) -> bytes:
        parts = [self._declaration]
        self._write(parts, self._root, self._declared, "", filled)
        return "".join(parts).encode(self._target.encoding, "xmlcharrefreplace")

    def values(self, content: bytes) -> dict[str, str]:
        return view.xml_values(content)

    def _write(self, parts: list[str], name: str, attributes: str, text: str, filled: list[Filled]) -> None:
        """One element: its start with the attributes among the fields, text, the elements among the fields, end."""
        below: list[str] = []
        for entry, values, branches in filled:
            if entry.below:
                for branch in branches:
                    self._write_branch(below, entry, values, branch)
            elif entry.name[0] == "@":
                if (value := _one(entry, values)) is not None:
                    attributes += f' {self._names[entry]}="{self._text(entry, value, _IN_ATTRIBUTES)}"'
            else:
                start, end = self._tags[entry]
                for value in values:
                    below += (start, self._text(entry, value, _IN_TEXT), end)
        if below or text:
            parts += (f"<{name}{attributes}>", text)
            parts += below
            parts.append(f"</{name}>")
        else:
            parts.append(f"<{name}{attributes}/>")

    def _write_branch(self, parts: list[str], entry: CompiledField, values: Sequence[Value], branch: list[Filled]) -> None:
        value = _one(entry, values)
        if value is None and entry.value is not None and not _has_values(branch):
            return
        text = "" if value is None else self._text(entry, value, _IN_TEXT)
        self._write(parts, self._names[entry], "", text, branch)

    def _text(self, entry: CompiledField, value: Value, escapes: dict[int, str]) -> str:
        text = value if isinstance(value, str) else as_text(value)
        if self._target.unrepresentable is not None:
            text = self._fitted(entry, text, self._target.unrepresentable)
        return text.translate(escapes) if _SPECIAL.search(text) else text

    def _fitted(self, entry: CompiledField, text: str, rule: Unrepresentable) -> str:
        fitted = charsets.fit(text, self._target.encoding, rule)
        if fitted is None:
            raise _unwritable(f"{entry} has a character that {self._target.encoding} cannot represent", entry)
        return fitted


def _has_values(branch: list[Filled]) -> bool:
    return any(values or any(map(_has_values, branches)) for _, values, branches in branch)


class _Json:
    media_type = "application/json"
    suffix = "json"

    def __init__(self, draft: Draft, entries: tuple[CompiledField, ...]) -> None:
        for entry in every(entries):
            if entry.spec.value and entry.below:
                draft.add("shape", f"{entry}: only XML has text and fields in one", *entry.place)
        for level in (entries, *(entry.below for entry in every(entries))):
            for entry in _repeated(level):
                draft.add("repeated-name", f"{entry}: another field has the name '{entry.name}' too", *entry.place)

    def render(self, filled: list[Filled]) -> bytes:
        return json.dumps(self._object(filled), ensure_ascii=False, sort_keys=True).encode()

    def values(self, content: bytes) -> dict[str, str]:
        return view.json_values(content)

    def _object(self, filled: list[Filled]) -> dict[str, Any]:
        return {entry.name: self._value(entry, values, branches) for entry, values, branches in filled}

    def _value(self, entry: CompiledField, values: Sequence[Value], branches: Sequence[list[Filled]]) -> Any:
        if entry.each is not None:
            return [self._object(branch) for branch in branches]
        if entry.below:
            return self._object(branches[0]) if branches else None
        return list(values) if entry.spec.many else _one(entry, values)


def _repeated(entries: Iterable[CompiledField]) -> Iterator[CompiledField]:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            yield entry
        seen.add(entry.name)


class _Table:
    """Rows with one cell per field: fields outside of the one `each` are the same in every row."""

    def __init__(self, draft: Draft, target: CsvTarget | FixedTarget, entries: tuple[CompiledField, ...]) -> None:
        self._target = target
        self._entries = {entry.name: entry for entry in every(entries) if not entry.below}
        self._columns = target.columns or (*self._entries, *((target.mark.column,) if target.mark else ()))
        self._check(draft, entries)

    def _check(self, draft: Draft, entries: tuple[CompiledField, ...]) -> None:
        for entry in _repeated(entry for entry in every(entries) if not entry.below):
            draft.add("repeated-name", f"{entry}: another field is the column '{entry.name}' too; give it a name", *entry.place)
        for entry in [entry for entry in every(entries) if entry.each][1:]:
            draft.add("shape", f"{entry}: a table has one 'each', its rows; for lines of several kinds see docs/mappings.md", *entry.place)
        for text, *place in self._written():
            if not charsets.has(text, self._target.encoding):
                draft.add("encoding", f"{self._target.encoding} has not every character of '{text}'", *place)
        named = {*self._entries, *([self._target.mark.column] if self._target.mark else [])}
        if self._target.columns and (set(self._columns) != named or len(self._columns) != len(named)):
            unknown, left_out = sorted(set(self._columns) - named), sorted(named - set(self._columns))
            wrong = [f"no field is called {', '.join(unknown)}"] if unknown else []
            wrong += [f"not among the columns: {', '.join(left_out)}"] if left_out else []
            draft.add("columns", f"columns and fields are not the same: {'; '.join(wrong) or 'one column twice'}", "target", "columns")

    def _written(self) -> Iterator[tuple[str, ...]]:
        """What stands in every document, beside line ends, and where the page says it."""
        if mark := self._target.mark:
            yield from ((text, "target", "mark", key) for key, text in mark)

    def _rows(self, filled: list[Filled]) -> list[list[str]]:
        rows = self._cells(filled)
        everything = "".join(text for cells in rows for text in cells.values())
        if charsets.has(everything, self._target.encoding):  # as most documents are; then there is no need to look at each cell
            return [self._row(cells, harmless) for cells, harmless in zip(rows, self._harmless(rows), strict=True)]
        fitted = [{name: self._fit(text) for name, text in cells.items()} for cells in rows]
        self._refuse((row, name, _unrepresentable(self._target.encoding, text)) for row, name, text in _numbered(fitted))
        return [self._row(*both) for both in zip(rows, self._harmless(fitted), strict=True)]

    def _harmless(self, rows: Sequence[Mapping[str, str | None]]) -> list[dict[str, str]]:
        """The cells as a spreadsheet may see them; last of all, because transliteration can make a formula of another sign."""
        if self._target.formulas == "refuse":
            self._refuse((row, name, "begins as a formula does" if formulas.has(text or "") else "") for row, name, text in _numbered(rows))
        return [{name: formulas.prefixed(text or "") for name, text in cells.items()} for cells in rows]

    def _fit(self, text: str) -> str | None:
        return charsets.fit(text, self._target.encoding, self._target.unrepresentable)

    def _row(self, cells: Mapping[str, str], fitted: Mapping[str, str]) -> list[str]:
        """The cells in their order."""
        if mark := self._target.mark:
            fitted = {**fitted, mark.column: mark.unchanged if fitted == cells else mark.changed}
        return [fitted.get(column, "") for column in self._columns]

    def _refuse(self, found: Iterable[tuple[int, str, str]]) -> None:
        """What is wrong with each cell, by row and column, if anything.

        Raises:
            Misfit: something is; all of it is told at once.
        """
        wrong = [
            (f"column {name} of row {row} {what}", (self._entries[name], f"column {name} {what}")) for row, name, what in found if what
        ]
        if wrong:
            raise Misfit("; ".join(reason for reason, _ in wrong), dict.fromkeys(fault for _, fault in wrong))

    def _cells(self, filled: list[Filled]) -> list[dict[str, str]]:
        common: dict[str, str] = {}
        rows = None
        for entry, values, branches in filled:
            below = [row for branch in branches for row in self._cells(branch)]
            if entry.each is not None:
                rows = below
            elif entry.below:
                common |= below[0] if below else {}
            else:
                common[entry.name] = self._cell(entry, values)
        return [common] if rows is None else [common | row for row in rows]

    def _cell(self, entry: CompiledField, values: Sequence[Value]) -> str:
        if self._target.join is not None:
            return self._target.join.join(map(as_text, values))
        value = _one(entry, values)
        return "" if value is None else as_text(value)


def _numbered(rows: Iterable[Mapping[str, str | None]]) -> Iterator[tuple[int, str, str | None]]:
    """Each cell with the number of its row and the name of its column."""
    return ((number, name, text) for number, cells in enumerate(rows, start=1) for name, text in cells.items())


def _in_row(number: int, rows: Sequence[object]) -> str:
    return f", row {number}" if len(rows) > 1 else ""


def _unrepresentable(encoding: str, fitted: str | None) -> str:
    return f"has a character that {encoding} cannot represent" if fitted is None else ""


class _Csv(_Table):
    suffix = "csv"

    def __init__(self, draft: Draft, target: CsvTarget, entries: tuple[CompiledField, ...]) -> None:
        self._separator = target.separator
        super().__init__(draft, target, entries)
        self.media_type = _media_type("text/csv", target.encoding)

    def values(self, content: bytes) -> dict[str, str]:
        header, *rows = csv.reader(io.StringIO(content.decode(self._target.encoding), newline=""), delimiter=self._separator)
        return {
            f"{name}{_in_row(number, rows)}": text for number, row in enumerate(rows, 1) for name, text in zip(header, row, strict=True)
        }

    def _written(self) -> Iterator[tuple[str, ...]]:
        yield from super()._written()
        yield self._separator, "target", "separator"
        yield from ((name, *entry.place) for name, entry in self._entries.items())

    def render(self, filled: list[Filled]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._separator, lineterminator=_LINE_END).writerows([self._columns, *self._rows(filled)])
        return text.getvalue().encode(self._target.encoding)


class _Fixed(_Table):
    suffix = "txt"

    def __init__(self, draft: Draft, target: FixedTarget, entries: tuple[CompiledField, ...]) -> None:
        super().__init__(draft, target, entries)
        self.media_type = _media_type("text/plain", target.encoding)
        for entry in self._entries.values():
            if not charsets.has(entry.spec.fill, target.encoding):
                draft.add("encoding", f"{target.encoding} has not the fill of {entry}", *entry.place, "fill")
            if entry.spec.width is None:
                draft.add("width", f"{entry} has no width", *entry.place)
        self._specs = {name: entry.spec for name, entry in self._entries.items()}
        if mark := target.mark:
            self._specs[mark.column] = TargetField(width=max(len(mark.changed), len(mark.unchanged)))

    def render(self, filled: list[Filled]) -> bytes:
        rows = [dict(zip(self._columns, row, strict=True)) for row in self._rows(filled)]
        self._refuse((row, name, self._wrong(name, text or "")) for row, name, text in _numbered(rows))
        lines = ("".join(self._padded(name, text) for name, text in cells.items()) + _LINE_END for cells in rows)
        return "".join(lines).encode(self._target.encoding)

    def values(self, content: bytes) -> dict[str, str]:
        rows = content.decode(self._target.encoding).split(_LINE_END)[:-1]
        return {f"{called}{_in_row(number, rows)}": row[places] for number, row in enumerate(rows, 1) for called, places in self._places()}

    def _places(self) -> Iterator[tuple[str, slice]]:
        """Each column with the places that it has in a line, counted from 1 for people."""
        begin = 0
        for name in self._columns:
            end = begin + (self._specs[name].width or 0)
            yield f"{name}, {begin + 1}-{end}", slice(begin, end)
            begin = end

    def _cell(self, entry: CompiledField, values: Sequence[Value]) -> str:
        """In one line: a line end before or after the text is none of it, and a tabulator is a blank."""
        return super()._cell(entry, values).strip("\r\n").replace("\t", " ")

    def _wrong(self, name: str, text: str) -> str:
        width = self._specs[name].width or 0
        wrong = [f"is longer than {width}"] if len(text) > width else []
        if _LINE_ENDS.search(text):
            wrong.append("has more than one line")
        return " and ".join(wrong)

    def _padded(self, name: str, text: str) -> str:
        spec = self._specs[name]
        return text.rjust(spec.width or 0, spec.fill) if spec.align == "right" else text.ljust(spec.width or 0, spec.fill)
