"""Settings that are valid and not safe are found, each by one check, with the place and what to do; safe ones have no finding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters import registry
from stadtbus import safety, settings
from stadtbus.commands import run
from stadtbus.safety import CHECKS, Seen, Unsafe
from stadtbus.settings import Settings
from tests.command_line import Command

OFFICE = {"url": "https://office.example", "user": "bus", "password": "made-up-and-long"}
TWIN = OFFICE | {"url": "http://127.0.0.1:9183/soap"}
DEMO_TOKEN = "91d4def5f65d6181d53e48abfafb42559891d04962095100ff431d6ee9afe643"


def seen(
    page: Mapping[str, Any], *, rights: Mapping[str, int] | None = None, environment: Mapping[str, str] | None = None, tokens: Any = ()
) -> Seen:
    """What the checks see of a page of settings, where others have these rights to files."""
    loaded = Settings.model_validate(page)
    offices = {
        f"{city}.{name}": registry.check(f"{city}.{name}", its) for city, named in loaded.offices.items() for name, its in named.items()
    }
    return Seen(loaded, offices, tokens, page, environment or {}, lambda path: (rights or {}).get(str(path), 0), Path("c.yaml"))


def office(**changes: Any) -> dict[str, Any]:
    """Settings of one adapter."""
    return {"offices": {"muenchen": {"meldewesen": OFFICE | changes}}}


UNSAFE = [
    ("known-password", seen(office(password="only-for-twins")), "offices.muenchen.meldewesen.password"),
    ("known-password", seen(office(password="Geheim")), "offices.muenchen.meldewesen.password"),
    ("known-password", seen({"stores": {"url": "postgresql+psycopg://stadtbus:only-for-the-demo@db/stadtbus"}}), "stores.url"),
    ("known-token", seen({}, tokens=[("p.yaml, line 3", DEMO_TOKEN)]), "gateway.portals"),
    ("settings-open", seen({}, rights={"c.yaml": 0o020}), ""),
    ("settings-open", seen({}, rights={"c.yaml": 0o002}), ""),
    ("settings-open", seen(office(), rights={"c.yaml": 0o044}), ""),
    ("settings-open", seen({"stores": {"url": "postgresql+psycopg://bus:made-up@db/bus"}}, rights={"c.yaml": 0o004}), ""),
    ("secret-open", seen({}, rights={"/run/db": 0o040}, environment={"STADTBUS_STORES__URL_FILE": "/run/db"}), "stores.url_file"),
    ("folder-open", seen({"stores": {"folder": "data"}}, rights={"data": 0o002}), "stores.folder"),
    ("folder-open", seen({"gateway": {"portals": "portals"}}, rights={"portals": 0o020}), "gateway.portals"),
    ("clear-text", seen(office(url="http://office.example", allow_clear_text=True)), "offices.muenchen.meldewesen.allow_clear_text"),
    ("clear-text", seen({"kafka": {"bootstrap": "kafka:9092", "allow_clear_text": True}}), "kafka.allow_clear_text"),
    ("test-with-real-offices", seen(office() | {"gateway": {"accept_test": True}}), "gateway.accept_test"),
    (
        "one-copy",
        seen({"kafka": {"bootstrap": "127.0.0.1:9092,kafka:9092", "allow_clear_text": True, "replication": 1}}),
        "kafka.replication",
    ),
]
SAFE = [
    seen({}),
    seen(office()),
    seen({"twins": {"password": "only-for-twins"}}),
    seen({"offices": {"muenchen": {"meldewesen": TWIN}}, "gateway": {"accept_test": True}}),
    seen({"kafka": {"bootstrap": "localhost:9092,[::1]:9093", "replication": 1}}),
    seen({"kafka": {"bootstrap": "127.0.0.1:9092"}}, rights={"c.yaml": 0o044}),
    seen({"stores": {"url": "postgresql+psycopg://bus@db/bus"}}, rights={"c.yaml": 0o044}),
    seen({"stores": {"folder": "data"}, "gateway": {"portals": "portals"}}, rights={"data": 0o055, "portals": 0o055}),
    seen({}, tokens=[("p.yaml, line 3", "0" * 64)]),
]


@pytest.mark.parametrize(("rule", "what", "setting"), UNSAFE, ids=[f"{rule} {number}" for number, (rule, *_) in enumerate(UNSAFE)])
def test_what_is_not_safe(rule: str, what: Seen, setting: str) -> None:
    """Each is found under its name, with the setting and what to do, and no value is quoted."""
    found = [one for one in safety.findings(what) if one.rule == rule]
    assert [".".join(map(str, one.path)) for one in found] == [setting]
    assert all(one.detail and one.hint for one in found)
    assert [word for word in ("only-for", "made-up", "Geheim") if word in str(found)] == []


@pytest.mark.parametrize("what", SAFE, ids=range(len(SAFE)))
def test_what_is_safe(what: Seen) -> None:
    """Nothing is found: a finding that is none is passed over soon, with those that are."""
    assert safety.findings(what) == []


def test_each_check_finds_something() -> None:
    """No check is there that the table above does not try."""
    assert [check.__name__ for check in CHECKS if not any(list(check(what)) for _, what, _ in UNSAFE)] == []


def written(tmp_path: Path, mode: int) -> None:
    """A file of settings with a demo password, a secret beside it, and both as open as this."""
    (tmp_path / "secret").write_text("made-up-and-long")
    page = office() | {
        "offices": {"muenchen": {"meldewesen": {"url": OFFICE["url"], "user": "u", "password_file": str(tmp_path / "secret")}}}
    }
    page["offices"]["augsburg"] = {"gewerbe": {"host": "h", "user": "u", "password": "only-for-twins", "host_key": KEY}}
    (tmp_path / "c.yaml").write_text(json.dumps(page, indent=1))
    for name in ("secret", "c.yaml"):
        (tmp_path / name).chmod(mode)


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtn9kcs3yEBBTkcTJvHlWCBOU0S2LZ9yBYZdVTe8a4p"


def test_config_check_ends_with_findings(stadtbus: Command, tmp_path: Path) -> None:
    """Exit code 1, a line for each with file and line, and the same for programs."""
    written(tmp_path, 0o644)
    code, output, _ = stadtbus("--config", "c.yaml", "config", "check", "--json")
    found = {one["rule"]: one for one in json.loads(output)["unsafe"]}
    assert (code, set(found)) == (1, {"known-password", "settings-open", "secret-open"})
    line = next(number for number, text in enumerate((tmp_path / "c.yaml").read_text().splitlines(), 1) if "only-for-twins" in text)
    assert found["known-password"]["where"] == f"c.yaml, line {line}"
    code, output, _ = stadtbus("--config", "c.yaml", "config", "check")
    assert (code, f"c.yaml, line {line}: offices.augsburg.gewerbe.password" in output, "only-for-twins" in output) == (1, True, False)
    assert f"chmod 600 {tmp_path / 'secret'}" in output


def test_config_check_of_safe_settings(stadtbus: Command, tmp_path: Path) -> None:
    """Private files and a password of one's own: exit code 0."""
    written(tmp_path, 0o600)
    (tmp_path / "c.yaml").write_text((tmp_path / "c.yaml").read_text().replace("only-for-twins", "made-up-and-long"))
    code, output, _ = stadtbus("--config", "c.yaml", "config", "check", "--json")
    assert (code, json.loads(output)["unsafe"]) == (0, [])


def test_a_process_says_it_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its log, of the adapter that it is, once."""
    written(tmp_path, 0o600)
    monkeypatch.setenv("STADTBUS_CONFIG", str(tmp_path / "c.yaml"))
    with capture_logs() as logs:
        run._say_what_is_unsafe(settings.load(), "augsburg.gewerbe")
        run._say_what_is_unsafe(settings.load(), "gateway")
    assert [(line["event"], line["rule"]) for line in logs] == [("unsafe_setting", "known-password")]


def test_findings_for_programs() -> None:
    """Stable keys."""
    assert Unsafe("rule", ("a", "b"), "detail", "hint", "c.yaml, line 1").as_dict().keys() == {"rule", "setting", "where", "detail", "hint"}
