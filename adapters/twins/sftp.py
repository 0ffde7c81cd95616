"""A drop behind an SFTP server."""

from __future__ import annotations

import os
from hmac import compare_digest
from pathlib import Path
from typing import BinaryIO, cast

import asyncssh

from adapters.twins.book import Mood
from adapters.twins.drop import GARBAGE, DropTwin
from adapters.twins.twin import Site
from infra.private_files import keep_private


class SftpTwin(DropTwin):
    """The twin's folder holds the host key and, under `ablage`, what users of SFTP see."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._site = site
        self._port = site.port
        self._key = _host_key(site.folder / "hostkey")
        self._acceptor: asyncssh.SSHAcceptor | None = None

    def office_settings(self) -> dict[str, object]:
        """Settings of the adapter that reaches this twin."""
        return {
            "host": self._site.host,
            "port": self._port,
            "user": self._site.user,
            "password": self._site.password.get_secret_value(),
            "host_key": self._key.export_public_key().decode().strip(),
        }

    def accepts(self, user: str, password: str) -> bool:
        """Whether this is the login."""
        known = f"{self._site.user}:{self._site.password.get_secret_value()}"
        return compare_digest(f"{user}:{password}".encode(), known.encode())

    async def open(self) -> None:
        """Take up what lies in the inbox, then listen.

        Raises:
            OSError: the port is taken.
        """
        self.prepare()
        self._acceptor = await asyncssh.listen(
            self._site.host,
            self._port,
            server_factory=lambda: _Login(self),
            sftp_factory=lambda channel: _Files(channel, self),
            server_host_keys=[self._key],
            config=None,
        )
        self._port = self._acceptor.get_port()

    async def close(self) -> None:
        """Close port and connections."""
        if self._acceptor is None:
            return
        self.forget_plans()
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
            self.after(self.book.temper.delay_s, lambda: self.take_up(path, mood))
            return
        self.take_up(path, mood)
        if mood is Mood.FAIL_AFTER:
            raise asyncssh.SFTPFailure("internal error")

    def answer(self, file: BinaryIO, acknowledgement: bytes, size_bytes: int) -> bytes:
        """What a user reads of an acknowledgement."""
        mood = self.book.mood_towards(Path(os.fsdecode(file.name)).stem)
        if mood is Mood.GARBAGE:
            return GARBAGE[:size_bytes]
        return b"?" * size_bytes if mood is Mood.ENDLESS else acknowledgement


class _Login(asyncssh.SSHServer):
    """Password login; keeps the twin's list of connections."""

    def __init__(self, twin: SftpTwin) -> None:
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

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], twin: SftpTwin) -> None:
        super().__init__(channel, chroot=os.fsencode(twin.root))
        self._twin = twin

    def map_path(self, path: bytes) -> bytes:
        """Every request with a path comes through here."""
        mood = self._twin.book.mood
        if mood is Mood.FAIL or (mood is Mood.BUSY and self._twin.drop.inbox.encode() in path):
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
        if path.match(f"{self._twin.drop.inbox}/*{self._twin.drop.suffix}"):
            self._twin.handed_over(path, mood)


def _host_key(path: Path) -> asyncssh.SSHKey:
    keep_private([path])
    if path.exists():
        return asyncssh.read_private_key(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(path)
    return key
