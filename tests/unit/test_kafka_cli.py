"""`stadtbus kafka start|stop|status` where it cannot do what is asked: told, and nothing guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import Command


def test_kafka_without_a_home(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without a home folder is told where Kafka's jars can go instead."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nowhere(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(nowhere))
    monkeypatch.setattr("infra.kafka.local.java", lambda: Path("/bin/true"))
    code, _, error = stadtbus("kafka", "start", "--data", str(tmp_path / "kafka"), "--port", "29092")
    assert (code, "XDG_CACHE_HOME" in error) == (2, True)


@pytest.mark.parametrize("state", ["{broken", "[]", "{}", '{"brokers": {"0": {}}}'])
@pytest.mark.parametrize("command", ["status", "stop", "start"])
def test_a_broken_note_of_brokers(stadtbus: Command, tmp_path: Path, command: str, state: str) -> None:
    """Who runs cannot be told from a broken file; it is named, and nothing is started or ended by guess."""
    (tmp_path / "state.json").write_text(state, encoding="utf-8")
    code, _, error = stadtbus("kafka", command, "--data", str(tmp_path))
    assert (code, "path-unusable" in error, str(tmp_path / "state.json") in error) == (2, True, True)
