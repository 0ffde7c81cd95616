"""Wrong input at the command line: what is wrong, where, what next, and an exit code that means something."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from consumers.audit import tables
from consumers.statistics import facts
from infra.kafka.records import AnyRecord, SubmissionRecord
from infra.settings import StoreSettings
from stadtbus import settings
from tests import builders
from tests.command_line import Command
from tests.kafka_service import free_system_offset


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SOME_ID = "3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11"

WRONG = [
    pytest.param(["lag", "--frequency"], "", 2, "No such option", id="unknown option"),
    pytest.param(["run", "adapter", "muenchen.bau"], "", 2, "augsburg.gewerbe", id="unknown office"),
    pytest.param(["run", "adapter", "muenchen.meldewesen"], "", 2, "offices.muenchen.meldewesen", id="adapter without settings"),
    pytest.param(["run", "gateway"], "", 2, "stadtbus token", id="gateway without portals"),
    pytest.param(["config", "check"], "kafka: {bootstrp: x}", 2, "kafka.bootstrp", id="unknown key"),
    pytest.param(["config", "check"], "delivery: {at_once: 9}", 2, "is called delivery.max_concurrency now", id="old key"),
    pytest.param(["config", "check"], "kafka: {replication: 0}", 2, "kafka.replication", id="wrong value"),
    pytest.param(["config", "check"], "kafka: [", 2, "not YAML", id="no yaml"),
    pytest.param(["config", "check"], "catalogue: nowhere", 2, "nowhere", id="no catalogue"),
    pytest.param(["config", "check"], "offices: {muenchen: {bau: {}}}", 2, "muenchen.bau", id="adapter of nobody"),
    pytest.param(["config", "check"], "offices: {muenchen: {meldewesen: {}}}", 2, "url: is missing", id="half an adapter"),
    pytest.param(["kafka", "start", "--brokers", "2"], "", 2, "1 or 3", id="two brokers"),
    pytest.param(["trace", "Maier"], "", 2, "UUID", id="no id"),
    pytest.param(["deadletters", "list", "muenchen.bau"], "", 2, "augsburg.gewerbe", id="dead letters of nobody"),
    pytest.param(["deadletters", "list", "--city", "ulm"], "", 2, "'ulm'", id="unknown city"),
    pytest.param(["deadletters", "show", "x.deadletters/0/1"], "", 2, "'x'", id="place of nobody"),
    pytest.param(["deadletters", "show", SOME_ID, "--reveal"], "", 2, "--reason", id="reveal without reason"),
    pytest.param(["deadletters", "replay", "muenchen.meldewesen"], "", 2, "--fingerprint", id="replay of what"),
    pytest.param(
        ["deadletters", "replay", "muenchen.meldewesen", "--all", "--submission", SOME_ID], "", 2, "exactly one", id="replay twice"
    ),
    pytest.param(["deadletters", "replay", "muenchen.meldewesen", "--all", "--actor", "a b"], "", 2, "--actor", id="no name"),
    pytest.param(["deadletters", "replay", "muenchen.meldewesen", "--all", "--stop-at", "101"], "", 2, "--stop-at", id="too many percent"),
    pytest.param(
        ["deadletters", "discard", "muenchen.meldewesen", "--submission", SOME_ID], "", 2, "--reason", id="discard without reason"
    ),
    pytest.param(
        ["deadletters", "discard", "muenchen.meldewesen", "--submission", SOME_ID, "--reason", "Frau Maier zog um"],
        "",
        2,
        "A-Z",
        id="discard with a sentence",
    ),
    pytest.param(["offsets", "reset", "muenchen.bau"], "", 2, "augsburg.gewerbe", id="offsets of nobody"),
    pytest.param(["demo", "--submissions", "0"], "", 2, "--submissions", id="nothing to send"),
]


@pytest.mark.parametrize(("arguments", "config", "exit_code", "named"), WRONG)
def test_wrong_input_is_named(stadtbus: Command, tmp_path: Path, arguments: list[str], config: str, exit_code: int, named: str) -> None:
    """The error names what is wrong, on standard error, without a traceback."""
    file = tmp_path / "stadtbus.yaml"
    file.write_text(config, encoding="utf-8")
    code, output, error = stadtbus("--config", str(file), *arguments)
    assert (code, output, "Traceback" in error) == (exit_code, "", False)
    assert named in " ".join(error.split())


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


@pytest.mark.parametrize(
    "command", [["lag"], ["topics", "plan"], ["run", "audit"], ["deadletters", "list"], ["offsets", "reset", "muenchen.meldewesen"]]
)
def test_without_kafka_nobody_can_tell(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """Kafka that does not answer is exit code 3, with its address and the ways to go on."""
    bootstrap = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("STADTBUS_KAFKA__BOOTSTRAP", bootstrap)
    code, _, error = stadtbus(*command)
    assert code == 3
    assert bootstrap in error
    assert "stadtbus kafka start" in error


def test_taken_port_is_named(stadtbus: Command) -> None:
    """A demo whose port is taken says which one and how to move, and leaves nothing behind."""
    offset = free_system_offset()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 8080 + offset))
        other.listen()
        code, output, error = stadtbus("demo", "--json", "--port-offset", str(offset))
    assert (code, output) == (2, "")
    assert f"port {8080 + offset}" in error
    assert "--port-offset" in error
    assert list(Path().glob(".stadtbus/*")) == []


def test_demo_keeps_what_an_earlier_one_kept(stadtbus: Command, tmp_path: Path) -> None:
    """A folder with the data of an earlier run is refused and left alone."""
    earlier = tmp_path / "kept" / "stadtbus.yaml"
    earlier.parent.mkdir()
    earlier.write_text("precious", encoding="utf-8")
    code, _, error = stadtbus("demo", "--keep", str(earlier.parent), "--port-offset", str(free_system_offset()))
    assert (code, earlier.read_text(encoding="utf-8")) == (2, "precious")
    assert "earlier run" in error


def test_token_fits_its_entry(stadtbus: Command) -> None:
    """The token alone goes to standard output; its hash and the portal go into the settings."""
    code, token, entry = stadtbus("token", "portal-x", "--authority", "kop:09162000")
    assert (code, len(token.strip())) == (0, 43)
    told = yaml.safe_load(entry[entry.index("portals:") :])
    digest = hashlib.sha256(token.strip().encode()).hexdigest()
    assert told == {"portals": {"portal-x": {"name": "portal-x", "authority": "kop:09162000", "token_sha256": digest}}}


def test_outbox_that_is_elsewhere_is_told(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Republication is for the machine where the outbox is: elsewhere it cannot tell anything, and makes no empty one."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    code, output, error = stadtbus("outbox", "republish", "muenchen.meldewesen", "--json")
    assert (code, output, "outbox-elsewhere" in error) == (3, "", True)
    assert not (tmp_path / "stores").exists()


@pytest.mark.parametrize(
    ("arguments", "code"), [(["nowhere.office"], "office-unknown"), (["muenchen.meldewesen", "--actor", "two words"], "actor-unknown")]
)
def test_republication_needs_an_office_and_a_name(stadtbus: Command, arguments: list[str], code: str) -> None:
    """Without them nothing is looked at."""
    status, _, error = stadtbus("outbox", "republish", *arguments)
    assert (status, code in error) == (2, True)


def test_unknown_submission_is_a_finding(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A submission that the audit does not know is exit code 1, and an empty list for programs; where no audit is, nobody can tell."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    code, output, error = stadtbus("trace", SOME_ID, "--json")
    assert (code, output, "audit.sqlite" in error) == (3, "", True)
    tables.open_store(StoreSettings(folder=tmp_path / "stores")).close()
    code, output, error = stadtbus("trace", SOME_ID, "--json")
    assert (code, json.loads(output)) == (1, [])
    assert "audit.sqlite" in error
    assert "no outbox here" in error


def test_settings_of_one_adapter_are_enough(stadtbus: Command, tmp_path: Path) -> None:
    """A machine that runs one city's adapter needs no settings of the others."""
    file = tmp_path / "stadtbus.yaml"
    file.write_text("offices: {muenchen: {meldewesen: {url: 'http://127.0.0.1:1/x', user: u, password: p}}}", encoding="utf-8")
    code, output, _ = stadtbus("--config", str(file), "config", "check", "--json")
    assert (code, json.loads(output)["adapters"]) == (0, ["muenchen.meldewesen"])


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


def test_secrets_are_not_shown(stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show` prints what is in force, but no password."""
    monkeypatch.setenv("STADTBUS_TWINS__PASSWORD", "hush-hush")
    monkeypatch.setenv("STADTBUS_OFFICES__MUENCHEN__MELDEWESEN__PASSWORD", "hush-hush")
    code, output, _ = stadtbus("config", "show")
    assert (code, json.loads(output)["kafka"]["bootstrap"], "hush-hush" in output) == (0, "127.0.0.1:9092", False)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Statistics of two cities: one submission of today, one of last year, delivered."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    monkeypatch.setenv("COLUMNS", "80")
    now = datetime.now(UTC)
    rows: list[AnyRecord] = []
    for city, office, at in (("muenchen", "meldewesen", now), ("nuernberg", "meldewesen", now - timedelta(days=365))):
        record = SubmissionRecord(
            submission=uuid4(), case="c", city=city, office=f"{city}.{office}", service="99115005104000", portal=f"portal-{city}", test=False,
            accepted_at=at, published_at=at, topic="t", partition=0, offset=0, size_bytes=1,
        )  # fmt: skip
        rows += [record, *builders.records(builders.event(record.submission, office=f"{city}.{office}", at=at.isoformat()))]
    store = facts.open_store(StoreSettings(folder=tmp_path / "stores"))
    asyncio.run(store.write(lambda connection: facts.store_rows(connection, rows)))
    store.close()


@pytest.mark.usefixtures("counted")
def test_statistics_can_be_read(stadtbus: Command) -> None:
    """At 80 columns nothing is broken: services by their names, a table per office with its sum, and the sum of all."""
    code, output, _ = stadtbus("statistics", "show")
    assert (code, max(map(len, output.splitlines())) <= 80) == (0, True)
    for part in ("muenchen.meldewesen", "nuernberg.meldewesen", "portal-nuernberg", "Wohnsitz", "together: taken 2, delivered 2"):
        assert part in output


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("options", "offices"),
    [
        ([], ["muenchen.meldewesen", "nuernberg.meldewesen"]),
        (["--city", "nuernberg"], ["nuernberg.meldewesen"]),
        (["--today"], ["muenchen.meldewesen"]),
        (["--today", "--city", "nuernberg"], []),
    ],
)
def test_statistics_of_a_city_or_of_today(stadtbus: Command, options: list[str], offices: list[str]) -> None:
    """One city, or today alone; times for programs are ISO 8601."""
    code, output, _ = stadtbus("statistics", "show", "--json", *options)
    figures = json.loads(output)
    assert (code, [one["office"] for one in figures]) == (0, offices)
    assert all(one["hour"] == datetime.fromisoformat(one["hour"]).isoformat(timespec="milliseconds") for one in figures)
    assert all("T" in one["hour"] for one in figures)


def test_statistics_elsewhere_are_not_none(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no statistics are, nobody can tell, and none are made by asking."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    code, output, error = stadtbus("statistics", "show")
    assert (code, output, "records-elsewhere" in error, (tmp_path / "stores").exists()) == (3, "", True, False)
    assert stadtbus("statistics", "show", "--city", "ulm")[0] == 2
