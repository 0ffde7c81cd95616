"""Commands as an operator gives them, without a process for each."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stadtbus import cli

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stadtbus(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Command]:
    """Runs a command in an empty folder; exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    for name in ("STADTBUS_CONFIG", "STADTBUS_KAFKA__BOOTSTRAP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("infra.logs.configure", lambda *_, **__: None)  # it is for a process, and this one runs other tests too

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stadtbus", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), *capsys.readouterr()

    before = os.umask(0o022)
    yield run
    os.umask(before)
    logging.disable(logging.NOTSET)
    monkeypatch.delenv("STADTBUS_CONFIG", raising=False)
