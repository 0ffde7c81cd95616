"""What the bus writes is for its own user, also what was left open before."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from adapters.protocols.file import LocalFiles
from adapters.twins import sftp
from infra.private_files import keep_private, open_to_others
from infra.settings import StoreSettings
from infra.stores import Store
from tests.command_line import Command

TABLES = sa.MetaData()
sa.Table("notes", TABLES, sa.Column("number", sa.Integer, primary_key=True))


def open_ones(folder: Path) -> dict[str, str]:
    """All below a folder that others have rights to, with these."""
    return {str(path.relative_to(folder)): f"{mode:03o}" for path in folder.rglob("*") if (mode := open_to_others(path))}


def test_every_command_writes_private_files(tmp_path: Path) -> None:
    """Whatever umask the shell has: the command sets its own before it does anything, for its children too."""
    program = "import os, sys, subprocess; os.umask(0); sys.argv = ['stadtbus', 'config', 'show']\nfrom stadtbus import cli\ntry: cli.main()\nexcept SystemExit: pass\n"
    program += "open('file', 'w'); os.mkdir('folder'); subprocess.run(['touch', 'folder/child'], check=True)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STADTBUS")}
    root = {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env=environment | root, stdout=subprocess.DEVNULL)
    assert (open_ones(tmp_path), len(list(tmp_path.rglob("*")))) == ({}, 3)


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_stores_left_open_are_closed(tmp_path: Path, umask: int) -> None:
    """Files of a store that an earlier version made, its log and its rescued copy too, lose the rights of others at the next start; it is logged."""
    before = os.umask(umask)
    try:
        Store(StoreSettings(folder=tmp_path), "notes", TABLES).close()
        for name in ("notes.sqlite-wal", "notes.rescued.sqlite", "another.sqlite"):
            (tmp_path / name).touch()
        os.umask(0o077)
        assert open_ones(tmp_path)
        with capture_logs() as logs:
            Store(StoreSettings(folder=tmp_path), "notes", TABLES).close()
    finally:
        os.umask(before)
    assert open_ones(tmp_path).keys() == {"another.sqlite"}
    assert {line["path"] for line in logs if line["event"] == "file_was_open"} >= {"notes.sqlite", "notes.rescued.sqlite"}


def test_links_and_files_of_others_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link in the place of a file of ours changes nothing where it leads to; what is another user's is logged."""
    target = tmp_path / "target"
    target.touch(mode=0o644)
    target.chmod(0o644)
    (tmp_path / "notes.sqlite").symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    keep_private([tmp_path / "notes.sqlite", tmp_path / "dangling", tmp_path / "none"])
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    monkeypatch.setattr(os, "geteuid", lambda: target.stat().st_uid + 1)
    with capture_logs() as logs:
        keep_private([target])
    assert (stat.S_IMODE(target.stat().st_mode), [(line["event"], line["mode"]) for line in logs]) == (0o644, [("file_is_open", "044")])


def test_the_key_of_a_twin_is_private(tmp_path: Path) -> None:
    """The new one, and one that was left open."""
    path = tmp_path / "twin" / "hostkey"
    before = os.umask(0o077)
    try:
        first = sftp._host_key(path).export_public_key()
        assert open_ones(tmp_path) == {}
        path.chmod(0o644)
        assert (sftp._host_key(path).export_public_key(), open_ones(tmp_path)) == (first, {})
    finally:
        os.umask(before)


@pytest.mark.parametrize(("folder", "file"), [(0o700, 0o600), (0o750, 0o640), (0o2770, 0o660), (0o755, 0o644)])
async def test_a_drop_is_for_who_has_its_folder(tmp_path: Path, folder: int, file: int) -> None:
    """A back office reads what is handed over to it, though our files are for nobody else: the folder's rights say who it is."""
    inbox = tmp_path / "eingang"
    inbox.mkdir()
    inbox.chmod(folder)
    before = os.umask(0o077)
    try:
        await LocalFiles(tmp_path).write("eingang/a.csv.part", b"a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((inbox / "a.csv.part").stat().st_mode) == file


def test_commands_of_tests_leave_the_umask(stadtbus: Command, tmp_path: Path) -> None:
    """A command in this process sets it too."""
    assert stadtbus("config", "show")[0] == 0
    (tmp_path / "after").touch()
    assert open_ones(tmp_path) == {}
