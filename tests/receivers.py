"""Who gets notices: a real SMTP server and a real HTTP server, which keep what they take and can be told to refuse."""

from __future__ import annotations

import email
import email.policy
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

PASSWORD = "made-up-password"


@dataclass
class Mailbox:
    """What a mail server has taken, and its port."""

    port: int = 0
    refuse: str = ""
    """What it answers instead of taking a mail, where that is told."""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the name is aiosmtpd's
        """Take a mail, or not."""
        if self.refuse:
            return self.refuse
        mail = email.message_from_bytes(cast("bytes", envelope.content), policy=email.policy.default)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def subjects(self) -> list[str]:
        """The subjects of what it has taken."""
        return [str(mail["Subject"]) for mail in self.mails]


def _login(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:
    wanted = LoginPassword(login=b"stadtbus", password=PASSWORD.encode())
    return AuthResult(success=data == wanted, handled=False)


@contextmanager
def mail_server(context: ssl.SSLContext | None = None, *, implicit: bool = False, port: int = 0) -> Iterator[Mailbox]:
    """A mail server on this machine: with a context it wants TLS (at once, or by STARTTLS) and the login of `stadtbus`."""
    box = Mailbox()
    login: dict[str, Any] = {"authenticator": _login, "auth_required": not implicit} if context else {}
    tls: dict[str, Any] = {"ssl_context": context} if implicit else {"tls_context": context, "require_starttls": context is not None}
    if implicit:
        login["auth_require_tls"] = False  # it does not see that there is TLS below it, and would take no login
    controller = Controller(box, hostname="127.0.0.1", port=port or free_port(), **tls, **login)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Calls:
    """What an HTTP server was sent, and where it is."""

    url: str = ""
    status: int = 204
    """What it answers."""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def data(self) -> list[dict[str, Any]]:
        """The JSON of each call."""
        return [json.loads(body) for body in self.bodies]


@contextmanager
def http_server(port: int = 0) -> Iterator[Calls]:
    """An HTTP server on this machine that takes every POST."""
    calls = Calls()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.headers.append({name.lower(): value for name, value in self.headers.items()})
            calls.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(calls.status)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        calls.url = f"http://127.0.0.1:{server.server_port}/notices"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield calls
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """A port where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port
