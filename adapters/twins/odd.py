"""Answers in ways that are rare and right: in ISO-8859-1, and XML as the root of several parts, as services with MTOM send it."""

from __future__ import annotations

import json
from typing import Final, cast

from lxml import etree
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters import answers

_LETTERS: Final = "für Köln"
_ENCODING: Final = "ISO-8859-1"
_BOUNDARY: Final = "uuid:7c1f(teil)"


async def serve(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve as the app does, but send each answer in ISO-8859-1, and XML as a part of several."""
    status, content_type, body = 200, "", b""

    async def keep(message: Message) -> None:
        nonlocal status, content_type, body
        if message["type"] == "http.response.start":
            status = message["status"]
            content_type = next((value.decode() for name, value in message["headers"] if name.lower() == b"content-type"), "")
        else:
            body += message.get("body", b"")

    await app(scope, receive, keep)
    await _dressed(status, content_type, body)(scope, receive, send)


def _dressed(status: int, content_type: str, body: bytes) -> Response:
    if "xml" in content_type:
        root = answers.element(body, content_type)
        root.append(etree.Comment(_LETTERS))
        xml = cast("bytes", etree.tostring(root, xml_declaration=True, encoding=_ENCODING))
        head = b"--%s\r\nContent-Type: text/xml\r\nContent-ID: <wurzel>\r\n\r\n" % _BOUNDARY.encode()
        whole = head + xml + b"\r\n--%s--\r\n" % _BOUNDARY.encode()
        return Response(whole, status, {"Content-Type": f'multipart/related; start="<wurzel>"; boundary="{_BOUNDARY}"'})
    if "json" in content_type:
        said = json.dumps(json.loads(body) | {"hinweis": _LETTERS}, ensure_ascii=False)
        return Response(said.encode(_ENCODING), status, {"Content-Type": f"application/json; charset={_ENCODING}"})
    return Response(body, status, {"Content-Type": content_type} if content_type else None)
