"""The ways out, against a real SMTP server and a real HTTP server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from consumers.notice_settings import MailSettings, NoticeSettings, WebhookSettings
from consumers.watch.notices.channels import Mail, Message, NotTaken, Webhook
from tests import certificates
from tests.receivers import PASSWORD, free_port, http_server, mail_server
from tests.watching import MONDAY

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
MESSAGE = Message(
    "4711.1", "4711", MONDAY, "[Stadtbus] nuernberg.bau: das Fachverfahren läßt warten", "Seit: gestern, für länger\n", {"what": "ü"}
)
TO: dict[str, Any] = {"host": "127.0.0.1", "sender": "bus@stadt.example", "recipients": ["a@stadt.example", "b@stadt.example"]}


def context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server proves itself with, and the file of who may sign for it."""
    certificate, key = certificates.write(folder)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made, certificate


async def test_a_mail() -> None:
    """It comes whole, umlauts included, to all recipients, as one that no machine answers, and beside the others about its cause."""
    with mail_server() as box:
        await Mail(MailSettings(**TO, security="none", port=box.port)).send(MESSAGE)
    (mail,) = box.mails
    assert (mail["Subject"], mail.get_content().replace("\r\n", "\n")) == (MESSAGE.subject, MESSAGE.text)
    assert (mail["From"], mail["To"]) == ("Stadtbus <bus@stadt.example>", "a@stadt.example, b@stadt.example")
    assert box.recipients == [["a@stadt.example", "b@stadt.example"]]
    assert (mail["Message-ID"], mail["References"]) == ("<4711.1@stadt.example>", "<4711@stadt.example>")
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_mail_by_tls_with_a_login(tmp_path: Path, security: str) -> None:
    """Encrypted, to a server that is held against its authority, with a login whose password stands in a file."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    made, authority = context(tmp_path)
    with mail_server(made, implicit=security == "tls") as box:
        given = {**TO, "security": security, "port": box.port, "user": "stadtbus", "password_file": tmp_path / "password"}
        await Mail(MailSettings(**given, ca_file=authority)).send(MESSAGE)
        assert box.subjects() == [MESSAGE.subject]
        assert security == "tls" or box.encrypted == [True]
        with pytest.raises(NotTaken, match=r"^SMTPException$|SSLCertVerificationError|^SMTPConnectError$"):
            await Mail(MailSettings(**given)).send(MESSAGE)  # nobody whom the system knows has signed for it
        with pytest.raises(NotTaken, match="answers 535"):
            await Mail(MailSettings(**given | {"password_file": None, "password": "wrong"}, ca_file=authority)).send(MESSAGE)
    assert len(box.mails) == 1


async def test_no_mail_in_clear_text() -> None:
    """A server that offers no TLS gets nothing, where TLS is asked for."""
    with mail_server() as box, pytest.raises(NotTaken):
        await Mail(MailSettings(**TO, port=box.port)).send(MESSAGE)
    assert box.mails == []


async def test_a_mail_server_that_refuses_or_is_away() -> None:
    """It is said why, without the server's own words, which name addresses."""
    with mail_server() as box:
        box.refuse = "552 <a@stadt.example> has no room"
        with pytest.raises(NotTaken, match=r"^the server answers 552 \(SMTPDataError\)$"):
            await Mail(MailSettings(**TO, security="none", port=box.port)).send(MESSAGE)
    with pytest.raises(NotTaken, match=r"^SMTPConnectError$"):
        await Mail(MailSettings(**TO, security="none", port=free_port())).send(MESSAGE)


async def test_a_webhook_is_signed() -> None:
    """Who has the secret can tell, by Standard Webhooks, that it comes from this bus, when, and that it was not changed."""
    with http_server() as calls:
        await Webhook(WebhookSettings(url=calls.url, secret=SECRET)).send(MESSAGE)
    (headers,), (body,) = calls.headers, calls.bodies
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-id"] == MESSAGE.id
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
    assert (calls.data(), headers["content-type"]) == ([{"what": "ü"}], "application/json")


@pytest.mark.parametrize("status", [301, 400, 500])
async def test_a_webhook_that_does_not_take_it(status: int) -> None:
    """Whatever is not 2xx is no; nobody is led elsewhere."""
    with http_server() as calls:
        calls.status = status
        with pytest.raises(NotTaken, match=f"^it answers {status}$"):
            await Webhook(WebhookSettings(url=calls.url, secret=SECRET)).send(MESSAGE)
    assert len(calls.bodies) == 1


async def test_a_webhook_that_is_away() -> None:
    """It is said of what kind the failure is."""
    url = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(NotTaken, match=r"^ConnectError$"):
        await Webhook(WebhookSettings(url=url, secret=SECRET)).send(MESSAGE)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"mail": TO | {"host": "mail.example", "security": "none"}}, "no clear text beyond this machine"),
        ({"mail": TO | {"host": "mail.example", "security": "none", "user": "a", "password": "geheim"}}, "in clear text"),
        ({"mail": TO | {"user": "a"}}, "user and password go together"),
        ({"mail": TO | {"recipients": ["a b@stadt.example"]}}, "should match pattern"),
        ({"mail": TO | {"recipients": []}}, "at least 1"),
        ({"webhook": {"url": "http://tickets.example/", "secret": SECRET}}, "write an https:// URL"),
        ({"webhook": {"url": "https://a:b@tickets.example/", "secret": SECRET}}, "without user and password"),
        ({"webhook": {"url": "https://tickets.example/"}}, "one of secret and secret_file"),
        ({"webhook": {"url": "https://tickets.example/", "secret": "geheim"}}, "24 to 64 bytes in base64"),
        ({"webhook": {"url": "https://tickets.example/", "secret": "whsec_Z2VoZWlt"}}, "24 to 64 bytes in base64"),
        ({"quiet_hours": {"begin": 1140, "end": "07:00"}}, "valid string"),  # what YAML makes of 19:00 without quotes
        ({"quiet_hours": {"begin": "24:00", "end": "07:00"}}, "should match pattern"),
        ({"quiet_hours": {"begin": "07:00", "end": "07:00"}}, "the same"),
    ],
)
def test_settings_that_cannot_be_meant(given: dict[str, Any], says: str) -> None:
    """They are refused with what is wrong, and no secret is in the answer."""
    with pytest.raises(ValidationError) as refused:
        NoticeSettings(**given)
    assert says in "; ".join(one["msg"] for one in refused.value.errors())
    assert "geheim" not in "; ".join(one["msg"] for one in refused.value.errors())
