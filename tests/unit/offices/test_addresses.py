"""Contents and logins leave this machine by TLS only, and no address holds a login."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import pytest_asyncio
from pydantic import ValidationError

from adapters import registry
from adapters.augsburg.gewerbe.adapter import AugsburgGewerbe
from adapters.http import HttpSettings
from adapters.logins import ClientSettings
from adapters.protocols.sftp import SftpSettings
from infra.addresses import is_loopback
from schemas.errors import DestinationDown
from tests.command_line import Command

HUSH = "hush-hush"
IN_CLEAR = [
    "http://fachverfahren.example/soap",
    "http://10.0.0.1/",
    "http://127.0.0.1.evil.example/",
    "http://localhost.evil.example/",
    "http://[2001:db8::1]/",
    "http://0.0.0.0/",
    "HTTP://OFFICE.example",
]
HERE = ["http://127.0.0.1:9183/soap", "http://localhost:1/", "http://[::1]:1/", "http://127.9.9.9/"]
LOGINS = [f"https://user:{HUSH}@office.example", f"https://{HUSH}@office.example/", f"http://:{HUSH}@127.0.0.1/"]
CLIENT: dict[str, Any] = {"url": "https://office.example", "client_id": "u", "client_secret": HUSH}


@pytest.mark.parametrize("url", IN_CLEAR)
def test_clear_text_beyond_this_machine(url: str) -> None:
    """It is refused, for the service and for where tokens come from; an explicit word takes it."""
    for model, given in ((HttpSettings, {"url": url}), (ClientSettings, CLIENT | {"token_url": url})):
        with pytest.raises(ValidationError, match="write https://"):
            model.model_validate(given)
        assert model.model_validate(given | {"allow_clear_text": True}).allow_clear_text


@pytest.mark.parametrize("url", [*HERE, "https://office.example/soap", "https://10.0.0.1"])
def test_addresses_that_are_right(url: str) -> None:
    """TLS anywhere, and clear text on this machine."""
    assert url.startswith(HttpSettings.model_validate({"url": url}).url.scheme)
    assert ClientSettings.model_validate(CLIENT | {"token_url": url}).token_url is not None


@pytest.mark.parametrize("url", LOGINS)
def test_a_login_in_an_address(url: str) -> None:
    """It is refused, and not quoted; no word takes it."""
    for model, given in ((HttpSettings, {"url": url}), (ClientSettings, CLIENT | {"token_url": url})):
        with pytest.raises(ValidationError, match="there is a login in the address"):
            model.model_validate(given | {"allow_clear_text": True})


@pytest.mark.parametrize("office", [one for one in registry.names() if issubclass(registry.settings_model(one), HttpSettings)])
@pytest.mark.parametrize("command", [["config", "check"], ["run", "adapter"]])
def test_every_office_is_checked(stadtbus: Command, tmp_path: Path, office: str, command: list[str]) -> None:
    """Whichever adapter speaks HTTP: `config check` and its start name file and line, and end with 2."""
    city, _, name = office.partition(".")
    (tmp_path / "c.yaml").write_text(f"offices:\n  {city}:\n    {name}:\n      url: http://u:{HUSH}@office.example\n")
    code, output, error = stadtbus("--config", "c.yaml", *command, *([office] if command[0] == "run" else []))
    assert (code, output, "c.yaml, line 4" in " ".join(error.split()), HUSH in error) == (2, "", True, False)


def test_the_variable_is_named(stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the address stands in the environment."""
    monkeypatch.setenv("STADTBUS_OFFICES__MUENCHEN__MELDEWESEN__URL", IN_CLEAR[0])
    code, _, error = stadtbus("config", "check")
    assert (code, "environment, STADTBUS_OFFICES__MUENCHEN__MELDEWESEN__URL" in " ".join(error.split())) == (2, True)


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1", True), ("[::1]", True), ("LOCALHOST", True), ("", False), ("127.1", False), ("::", False)]
)
def test_this_machine(host: str, here: bool) -> None:
    """By what the name says, without asking anybody."""
    assert is_loopback(host) is here


# --- SFTP with a key

OWN = asyncssh.generate_private_key("ssh-ed25519")
HOST = asyncssh.generate_private_key("ssh-ed25519")
LOCKED = OWN.export_private_key("pkcs8-pem", passphrase="open").decode()


class _KeysOnly(asyncssh.SSHServer):
    """Lets one key in, and no password."""

    def password_auth_supported(self) -> bool:
        return False

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "bus" and key == OWN.convert_to_public()


@pytest_asyncio.fixture
async def sftp(tmp_path: Path) -> AsyncIterator[dict[str, object]]:
    """A real SFTP server for keys; the settings that lead to it."""
    for folder in (AugsburgGewerbe.drop.inbox, AugsburgGewerbe.drop.taken_up, AugsburgGewerbe.drop.answers):
        (tmp_path / folder).mkdir()
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=_KeysOnly, server_host_keys=[HOST], config=None,
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=bytes(tmp_path)),
    )  # fmt: skip
    yield {"host": "127.0.0.1", "port": server.get_port(), "user": "bus", "host_key": HOST.export_public_key().decode()}
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("login", "lets_in"),
    [
        ({"key": OWN.export_private_key().decode()}, True),
        ({"key": HOST.export_private_key().decode()}, False),
        ({"password": HUSH}, False),
    ],
    ids=["key", "another key", "password"],
)
async def test_login_by_key(sftp: dict[str, object], tmp_path: Path, login: dict[str, str], lets_in: bool) -> None:
    """A key, named as a file, opens the drop; another one, or a password, does not."""
    if "key" in login:
        (tmp_path / "key").write_text(login.pop("key"))
        login["key_file"] = str(tmp_path / "key")
    adapter = registry.connect("augsburg.gewerbe", sftp | login)
    try:
        if lets_in:
            assert await adapter.check()
        else:
            with pytest.raises(DestinationDown):
                await adapter.check()
    finally:
        await adapter.close()


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ({}, "'password' or 'key'"),
        ({"password": HUSH, "key": LOCKED}, "not both"),
        ({"key": HUSH}, "expected a private key"),
        ({"key": LOCKED}, "no passphrase locks"),
    ],
)
def test_logins_that_are_wrong(login: dict[str, str], said: str) -> None:
    """They are settings that are wrong, told at start, and quote nothing."""
    given = {"host": "h", "user": "u", "host_key": HOST.export_public_key().decode()} | login
    with pytest.raises(ValidationError, match=said) as refused:
        SftpSettings.model_validate(given)
    told = str([one["ctx"]["error"] for one in refused.value.errors()])
    assert (HUSH in told, "BEGIN" in told, AugsburgGewerbe.Settings is SftpSettings) == (False, False, True)
