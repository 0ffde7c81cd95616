"""Whether a document holds a text, whatever its format."""

from __future__ import annotations

import json
import unicodedata
from email.message import Message

from schemas import xml
from schemas.errors import Rejected


def reads(content: bytes, content_type: str, text: str) -> bool:
    """Whether the text is in the document: letter by letter in Unicode, else without what the character set cannot write."""
    header = Message()
    header["Content-Type"] = content_type
    charset = header.get_content_charset("utf-8")
    if charset == "utf-8":
        return text in _texts(content)
    return _plain(text) in _plain(content.decode(charset))


def _texts(content: bytes) -> str:
    try:
        return "\n".join(map(str, xml.parse(content).itertext()))
    except Rejected:
        pass
    try:
        return json.dumps(json.loads(content), ensure_ascii=False)
    except ValueError:
        return content.decode()


def _plain(text: str) -> str:
    """Base letters only: what is the same for a text and its transliteration."""
    spelled = text.translate(str.maketrans("ĐđŁłıŞş", "DdLliSs"))
    return "".join(letter for letter in unicodedata.normalize("NFKD", spelled) if letter.isascii())
