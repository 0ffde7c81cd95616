"""Secrets of settings come from files too, and stand in nothing that is printed."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from adapters import registry
from adapters.logins import BasicSettings, ClientSettings, TokenSettings
from adapters.protocols.sftp import SftpSettings
from adapters.twins.settings import TwinsSettings
from infra import secret_files
from infra.settings import KafkaSettings, StoreSettings
from schemas.errors import UsageError
from stadtbus.settings import Settings
from tests.command_line import Command

HUSH = "hush-hush"
DATABASE = f"postgresql+psycopg://bus:{HUSH}@db/bus"


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and those below it."""
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from models(part)


EVERY = {one for office in registry.names() for one in models(registry.settings_model(office))} | set(models(Settings))
SECRETS = [(model, name) for model in sorted(EVERY, key=lambda one: one.__name__) for name in secret_files.secrets_of(model.model_fields)]


def test_the_secrets_that_there_are() -> None:
    """Whatever is called like a secret is one, in every settings model of processes and shipped adapters."""
    found = {(model.__name__, name) for model, name in SECRETS}
    words = ("password", "secret", "passphrase")
    named = {(model.__name__, name) for model in EVERY for name in model.model_fields if any(word in name for word in words)}
    assert {("StoreSettings", "url"), ("TwinsSettings", "password"), ("BasicSettings", "password")} <= found
    assert {one for one in named - found if not one[1].endswith(("_sha256", "_file"))} == set()


@pytest.mark.parametrize(
    ("model", "name"),
    [one for one in SECRETS if f"{one[1]}_file" not in one[0].model_fields],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_every_secret_may_stand_in_a_file(tmp_path: Path, model: type[BaseModel], name: str) -> None:
    """The line end behind it is no part of it; blanks and line ends inside are."""
    value = DATABASE if name == "url" else f" {HUSH}\nzwei "
    (tmp_path / "secret").write_text(value + "\r\n", newline="", encoding="utf-8")
    read = secret_files.read_into(model.model_fields, {f"{name}_file": str(tmp_path / "secret")}, model.__name__)
    assert (list(read), read[name].get_secret_value()) == ([name], value)


@pytest.mark.parametrize("where", ["environment", "file"])
def test_the_database_from_a_file(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    """Named in the environment or in the file of settings; shown without its password."""
    (tmp_path / "database").write_text(f"{DATABASE}\n")
    (tmp_path / "c.yaml").write_text("stores: {url_file: database}" if where == "file" else "logs: {level: info}")
    if where == "environment":
        monkeypatch.setenv("STADTBUS_STORES__URL_FILE", str(tmp_path / "database"))
    code, output, _ = stadtbus("--config", "c.yaml", "config", "show")
    assert (code, json.loads(output)["stores"]["url"]) == (0, "postgresql+psycopg://bus:***@db/bus")


def test_an_adapters_secret_from_a_file(tmp_path: Path) -> None:
    """Adapters take their secrets so too, and name the file that is not there."""
    (tmp_path / "password").write_text(HUSH)
    given = {"url": "https://office.example", "user": "bus", "password_file": str(tmp_path / "password")}
    checked = registry.check("muenchen.meldewesen", given)
    assert isinstance(checked, BasicSettings)
    assert checked.password.get_secret_value() == HUSH
    (tmp_path / "password").unlink()
    with pytest.raises(UsageError, match=r"password_file.*password cannot be read: No such file"):
        registry.check("muenchen.meldewesen", given)


def unusable(tmp_path: Path) -> dict[str, object]:
    """Files that hold no secret, by what is said of them."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "long").write_text("x" * 70_000)
    (tmp_path / "latin").write_bytes(b"gr\xfc\xdfe")
    os.mkfifo(tmp_path / "pipe")
    return {
        "No such file": tmp_path / "away",
        "is no file": tmp_path / "pipe",
        "is empty": tmp_path / "empty",
        "longer than a secret": tmp_path / "long",
        "not UTF-8": tmp_path / "latin",
        "expected the path": 7,
    }


def test_files_that_hold_no_secret(tmp_path: Path) -> None:
    """What is wrong is told at the setting, with the path, and nobody waits for a pipe."""
    for said, path in unusable(tmp_path).items():
        with pytest.raises(ValidationError, match=said) as refused:
            StoreSettings.model_validate({"url_file": path})
        assert refused.value.errors()[0]["loc"] == ("url_file",)
        assert isinstance(path, int) or str(path) in str(refused.value)


def test_value_and_file_together(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which of them counts would be a guess, so it is refused, with the line, also where one stands in the environment."""
    (tmp_path / "database").write_text(DATABASE)
    (tmp_path / "c.yaml").write_text("stores:\n  url_file: database\n")
    monkeypatch.setenv("STADTBUS_STORES__URL", DATABASE)
    code, output, error = stadtbus("--config", "c.yaml", "config", "check")
    assert (code, output, "c.yaml, line 2" in error, "leave one of them out" in error, HUSH in error) == (2, "", True, True, False)


def every_settings() -> list[BaseModel]:
    """Settings with secrets."""
    login = {"url": "https://office.example", "password": HUSH, "token": HUSH, "user": "u", "client_id": "u", "client_secret": HUSH}

    def made(model: type[BaseModel]) -> BaseModel:
        return model.model_validate({name: value for name, value in login.items() if name in model.model_fields})

    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtn9kcs3yEBBTkcTJvHlWCBOU0S2LZ9yBYZdVTe8a4p"
    sftp = SftpSettings.model_validate({"host": "h", "user": "u", "password": HUSH, "host_key": key})
    logins: list[type[BaseModel]] = [BasicSettings, TokenSettings, ClientSettings]
    whole = Settings(stores=StoreSettings(url=SecretStr(DATABASE)), offices={"muenchen": {"meldewesen": {"password": HUSH}}})
    return [*map(made, logins), sftp, whole, TwinsSettings(password=SecretStr(HUSH))]


def fail(settings: BaseModel) -> None:
    """As a library does that has settings in its frames and in its text."""
    raise RuntimeError(settings)


def test_no_settings_print_a_secret() -> None:
    """Neither as text, nor in a traceback with the values of its frames, nor as JSON."""
    for settings in every_settings():
        try:
            fail(settings)
        except RuntimeError as error:
            told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        shown = json.dumps(settings.shown()) if isinstance(settings, Settings) else settings.model_dump_json()
        assert [HUSH in text for text in (repr(settings), str(settings), told, shown)] == [False] * 4


def test_a_process_of_ours_hands_its_secrets_on() -> None:
    """What is written for processes that it starts has the values, in the kinds that JSON has."""
    stores = StoreSettings(url=SecretStr(DATABASE), folder=Path("data"))
    assert secret_files.with_secrets(stores) == {"folder": "data", "url": DATABASE}
    assert KafkaSettings(**secret_files.with_secrets(KafkaSettings())) == KafkaSettings()
