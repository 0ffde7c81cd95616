"""What is set, and where it is wrong: named by its key, never with a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.settings import KafkaSettings
from stadtbus import settings
from tests.command_line import Command


@pytest.mark.parametrize(("old", "new"), settings.RENAMED.items())
def test_old_keys_lead_to_settings_of_today(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """A key of an earlier version is refused with its name of today, in the environment too, and that name is taken."""
    variable = f"STADTBUS_{old.replace('.', '__').upper()}"
    monkeypatch.setenv(variable, "7")
    code, _, error = stadtbus("config", "check")
    assert (code, f"{old} is called {new} now" in " ".join(error.split()), f"environment, {variable}" in error) == (2, True, True)
    monkeypatch.delenv(variable)
    monkeypatch.setenv(f"STADTBUS_{new.replace('.', '__').upper()}", "7")
    assert stadtbus("config", "check")[0] == 0


def test_old_keys_in_a_file_are_told_with_their_line(stadtbus: Command, tmp_path: Path) -> None:
    """So is what else an operator has to know."""
    file = tmp_path / "stadtbus.yaml"
    file.write_text("delivery:\n  in_flight: 100\n  quick_tries: 3\n", encoding="utf-8")
    code, _, error = stadtbus("--config", str(file), "config", "check")
    said = " ".join(error.split())
    assert (code, "stadtbus.yaml, line 3" in said, "immediate_retries now, and counts only the tries after the first one" in said) == (
        2,
        True,
        True,
    )


def test_what_is_wrong_as_a_whole_is_told_with_its_variable(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also beside a file, whose first line has nothing to do with it."""
    file = tmp_path / "stadtbus.yaml"
    file.write_text("logs: {format: json}\n", encoding="utf-8")
    monkeypatch.setenv("STADTBUS_PORTALS__OLD__NAME", "Portal")
    for arguments in ((), ("--config", str(file))):
        code, _, error = stadtbus(*arguments, "config", "check")
        assert (code, "environment, STADTBUS_PORTALS__OLD__NAME" in " ".join(error.split())) == (2, True)


def test_settings_of_one_adapter_are_enough(stadtbus: Command, tmp_path: Path) -> None:
    """A machine that runs one city's adapter needs no settings of the others."""
    file = tmp_path / "stadtbus.yaml"
    file.write_text("offices: {muenchen: {meldewesen: {url: 'http://127.0.0.1:1/x', user: u, password: p}}}", encoding="utf-8")
    file.chmod(0o600)
    code, output, _ = stadtbus("--config", str(file), "config", "check", "--json")
    assert (code, json.loads(output)["adapters"]) == (0, ["muenchen.meldewesen"])


def test_secrets_are_not_shown(stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show` prints what is in force, but no password."""
    monkeypatch.setenv("STADTBUS_TWINS__PASSWORD", "hush-hush")
    monkeypatch.setenv("STADTBUS_OFFICES__MUENCHEN__MELDEWESEN__PASSWORD", "hush-hush")
    code, output, _ = stadtbus("config", "show")
    assert (code, json.loads(output)["kafka"]["bootstrap"], "hush-hush" in output) == (0, "127.0.0.1:9092", False)


@pytest.mark.parametrize("command", [["config", "check"], ["run", "adapter", "nuernberg.meldewesen"]])
def test_broken_mapping_is_named(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]) -> None:
    """An adapter whose mapping does not load does not start; the error has file and line, and no traceback."""
    (tmp_path / "mapping.yaml").write_text("base: wohnsitz-anmelden\ntarget: {format: yaml}\n", encoding="utf-8")
    monkeypatch.setattr("adapters.registry.folder", lambda _: tmp_path)
    file = tmp_path / "stadtbus.yaml"
    own = {"url": "https://office.example", "client_id": "us", "client_secret": "made up"}
    file.write_text(json.dumps({"offices": {"nuernberg": {"meldewesen": own}}}), encoding="utf-8")
    code, _, error = stadtbus("--config", str(file), *command)
    assert (code, "Traceback" in error) == (2, False)
    assert "mapping-invalid" in error
    assert "mapping.yaml, line 2" in " ".join(error.split())


@pytest.mark.parametrize(
    "bootstrap", ["127.0.0.1:abc", "127.0.0.1:0", "127.0.0.1:70000", "kafka-1:9092,", "http://kafka:9092", "a b:9092", "u:hush@k:9092", ""]
)
@pytest.mark.parametrize("command", [["config", "check"], ["lag"], ["run", "audit"]])
def test_addresses_of_brokers_are_checked(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, bootstrap: str, command: list[str]) -> None:
    """What is no address of a broker is a wrong setting, named before anybody connects; its text is not quoted."""
    monkeypatch.setenv("STADTBUS_KAFKA__BOOTSTRAP", bootstrap)
    code, _, error = stadtbus(*command)
    assert (code, "kafka.bootstrap" in error, "hush" in error) == (2, True, False)


@pytest.mark.parametrize(
    "bootstrap", ["kafka", "kafka-1:9092,kafka-2:9092", "[::1]:9092", "10.0.0.1:9092, 10.0.0.2:9092", "büro.example:1"]
)
def test_addresses_that_are_right(bootstrap: str) -> None:
    """Names, numbers, IPv6 in brackets, several, with or without a port."""
    assert KafkaSettings(bootstrap=bootstrap, allow_clear_text=True).bootstrap == bootstrap


SECRETS = [
    "postgresql+psycopg://bus:hush@db/bus",
    "postgresql+psycopg://bus:hu%73h@/bus?host=db-1:5432&host=db-2:5432&target_session_attrs=read-write",
    "postgresql+psycopg://bus:a/b:c?hush@db/bus",
    "postgresql+psycopg:///bus?host=db&user=bus&password=hush",
    "postgresql+psycopg://db/bus?sslmode=require&sslpassword=hush&p%61ssword=hush",
    "postgresql+psycopg://db/bus?application_name=bus;password=hush",
]


@pytest.mark.parametrize("url", SECRETS)
def test_a_database_password_is_never_shown(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """In whatever form a URL of a database carries a password, neither `config show` nor an error prints it."""
    monkeypatch.setenv("STADTBUS_STORES__URL", url)
    code, output, error = stadtbus("config", "show")
    assert (code, '"url": "' in output) == (0, True)
    code, *more = stadtbus("trace", "3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11")
    said = "".join((output, error, *more))
    assert (code in (2, 3), [secret for secret in ("hush", "hu%73h", "a/b", "b:c") if secret in said]) == (True, [])


@pytest.mark.parametrize("url", ["bus:hush@db/bus", "mysql://bus:hush@db/bus", "postgresql+psycopg://bus:hush@db:abc/bus", "", "hush"])
def test_what_is_no_url_of_a_postgresql(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """It is a wrong setting, told before anything connects, and not quoted."""
    monkeypatch.setenv("STADTBUS_STORES__URL", url)
    for command in (["config", "show"], ["trace", "3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11"], ["config", "check"]):
        code, output, error = stadtbus(*command)
        assert (code, output, "stores.url" in error, "hush" in error) == (2, "", True, False)


def test_harmless_parts_of_a_database_url_are_shown(stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, user, database and TLS mode are what one looks for."""
    monkeypatch.setenv("STADTBUS_STORES__URL", "postgresql+psycopg://bus:hush@db:5432/bus?sslmode=require&options=x")
    _, output, _ = stadtbus("config", "show")
    assert "postgresql+psycopg://bus:***@db:5432/bus?sslmode=require&options=***" in output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"- a\n- b\n", "names with values"),
        (b"just text", "names with values"),
        (b"\xff\xfe", "not"),
        (b"a: " + b"[" * 3_000, "nested too deeply"),
    ],
    ids=["list", "text", "bytes", "deep"],
)
def test_files_that_are_no_settings(stadtbus: Command, tmp_path: Path, content: bytes, said: str) -> None:
    """Whatever the file holds, it is named, in our words."""
    (tmp_path / "c.yaml").write_bytes(content)
    code, output, error = stadtbus("--config", "c.yaml", "config", "check")
    assert (code, output, "settings-invalid" in error, "c.yaml" in error, said in error) == (2, "", True, True, True)
