"""Whether a document holds a text, whatever its format."""

from __future__ import annotations

import json
import unicodedata
from email.message import Message

from schemas import xml


def reads(content: bytes, content_type: str, text: str) -> bool:
    """Whether the text is in the document: letter by letter, or else without what its character set cannot write."""
    charset = charset_of(content_type)
    said = _texts(content, charset)
    return text in said or (charset != "utf-8" and _plain(text) in _plain(said))


def charset_of(content_type: str) -> str:
    """The character set that a content type names, in small letters; UTF-8 where it names none."""
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset("utf-8")


def _texts(content: bytes, charset: str) -> str:
    """What people read in it: XML declares its own encoding, which an envelope around the document may have another of."""
    try:
        return "\n".join(map(str, xml.parse_declared(content).itertext()))
    except ValueError:
        pass
    try:
        return json.dumps(json.loads(content), ensure_ascii=False)
    except ValueError:
        return content.decode(charset)


def _plain(text: str) -> str:
    """Base letters only: what is the same for a text and its transliteration."""
    spelled = text.translate(str.maketrans("ĐđŁłıŞş", "DdLliSs"))
    return "".join(part for letter in spelled for part in unicodedata.normalize("NFKD", letter) if part.isascii())  # noqa: TID251 - of one letter
