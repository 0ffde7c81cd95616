"""Twin of Augsburg's trade office: an SFTP server that takes up every complete file and acknowledges it."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import BinaryIO, Final, cast

import asyncssh
from pydantic import SecretStr

from adapters.augsburg.gewerbe import latin9
from adapters.augsburg.gewerbe.adapter import ACCEPTED, ANSWERS, INBOX, REFUSED, TAKEN_UP
from adapters.twins.book import REFUSAL, Book, Mood

GARBAGE: Final = b"\x00\xff;;?"
"""Not even ASCII."""
TURNED_AWAY: Final = "abgewiesen"
"""Where refused files go: not to `verarbeitet`, which says that the office has them."""


class AugsburgTwin:
    """`folder` holds the host key and, under `ablage`, what users of SFTP see."""

    def __init__(self, host: str, port: int, user: str, password: SecretStr, folder: Path) -> None:
        self.book = Book("A")
        self.root = folder / "ablage"
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._host = host
        self._port = port
        self._user = user
        self._password = password
        self._key = _host_key(folder / "hostkey")
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._later: list[asyncio.TimerHandle] = []

    def office_settings(self) -> dict[str, object]:
        """Settings of the adapter that reaches this twin."""
        return {
            "host": self._host,
            "port": self._port,
            "user": self._user,
            "password": self._password.get_secret_value(),
            "host_key": self._key.export_public_key().decode().strip(),
        }

    def accepts(self, user: str, password: str) -> bool:
        """Whether this is the login."""
        known = f"{self._user}:{self._password.get_secret_value()}"
        return compare_digest(f"{user}:{password}".encode(), known.encode())

    async def open(self) -> None:
        """Take up what lies in the inbox, then listen.

        Raises:
            OSError: the port is taken.
        """
        for name in (INBOX, TAKEN_UP, ANSWERS, TURNED_AWAY):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for path in sorted((self.root / INBOX).glob("*.csv")):
            self._take_up(path, Mood.OK)
        self._acceptor = await asyncssh.listen(
            self._host,
            self._port,
            server_factory=lambda: _Login(self),
            sftp_factory=lambda channel: _Files(channel, self),
            server_host_keys=[self._key],
            config=None,
        )
        self._port = self._acceptor.get_port()

    async def close(self) -> None:
        """Close port and connections. Files that wait to be taken up stay in the inbox."""
        if self._acceptor is None:
            return
        for handle in self._later:
            handle.cancel()
        self._later.clear()
        self._acceptor.close()
        for connection in list(self.connections):
            connection.abort()
            await connection.wait_closed()
        await self._acceptor.wait_closed()
        self._acceptor = None

    def handed_over(self, path: Path, mood: Mood) -> None:
        """A file has got its final name.

        Raises:
            SFTPFailure: in the mood `fail-after`, when the file is taken up already.
        """
        if mood is Mood.SLOW:
            self._later.append(asyncio.get_running_loop().call_later(self.book.temper.delay_s, self._take_up, path, mood))
            return
        self._take_up(path, mood)
        if mood is Mood.FAIL_AFTER:
            raise asyncssh.SFTPFailure("internal error")

    def answer(self, file: BinaryIO, acknowledgement: bytes, size_bytes: int) -> bytes:
        """What a user reads of an acknowledgement."""
        mood = self.book.mood_towards(Path(os.fsdecode(file.name)).stem)
        if mood is Mood.GARBAGE:
            return GARBAGE[:size_bytes]
        return b"?" * size_bytes if mood is Mood.ENDLESS else acknowledgement

    def _take_up(self, path: Path, mood: Mood) -> None:
        if mood is Mood.REFUSE:
            path.replace(self.root / TURNED_AWAY / path.name)
            self._acknowledge(path.stem, f"{REFUSED};{REFUSAL}")
            return
        entry = self.book.enter(path.stem, path.read_bytes(), f"text/csv; charset={latin9.CHARSET}", datetime.now(UTC))
        path.replace(self.root / TAKEN_UP / path.name)
        self._acknowledge(path.stem, f"{ACCEPTED};{entry.reference}")

    def _acknowledge(self, submission_id: str, line: str) -> None:
        unfinished = self.root / ANSWERS / f"{submission_id}.part"
        unfinished.write_text(line + "\n", encoding="ascii")
        unfinished.rename(unfinished.with_suffix(".ack"))


class _Login(asyncssh.SSHServer):
    """Password login; keeps the twin's list of connections."""

    def __init__(self, twin: AugsburgTwin) -> None:
        self._twin = twin
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._twin.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class has it
        if self._connection is not None:
            self._twin.connections.discard(self._connection)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return self._twin.accepts(username, password)


class _Files(asyncssh.SFTPServer):
    """The folder of the twin, and the moment a file gets its final name."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], twin: AugsburgTwin) -> None:
        super().__init__(channel, chroot=os.fsencode(twin.root))
        self._twin = twin

    def map_path(self, path: bytes) -> bytes:
        """Every request with a path comes through here."""
        mood = self._twin.book.mood
        if mood is Mood.FAIL or (mood is Mood.BUSY and INBOX.encode() in path):
            raise asyncssh.SFTPFailure("out of order")
        return super().map_path(path)

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """The only files that anybody reads are acknowledgements."""
        return self._twin.answer(cast("BinaryIO", file_obj), cast("bytes", super().read(file_obj, offset, size)), size)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        path = Path(os.fsdecode(self.map_path(newpath)))
        mood = self._twin.book.mood_towards(path.stem)
        if mood is Mood.FAIL:
            raise asyncssh.SFTPFailure("out of order")
        super().rename(oldpath, newpath)
        if path.match(f"{INBOX}/*.csv"):
            self._twin.handed_over(path, mood)


def _host_key(path: Path) -> asyncssh.SSHKey:
    if path.exists():
        return asyncssh.read_private_key(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(path)
    return key
