"""A drop reached by SFTP. All deliveries of an adapter share one SSH connection, which is opened anew when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Self, cast

import asyncssh
from pydantic import Field, PositiveFloat, SecretStr, field_validator, model_validator

from adapters.protocols.drop import DropAdapter, DropSettings

KEEPALIVE_S: Final = 15
"""Between signs of life; three unanswered ones, and the connection counts as lost."""


class SftpSettings(DropSettings):
    """`host_key` is the server's public key in OpenSSH form, `ssh-ed25519 AAAA…`; no other key is trusted. We log in by a password or a key."""

    host: str = Field(description="Name or address of the SFTP server.")
    port: int = Field(default=22, ge=1, le=65535, description="Its port.")
    user: str = Field(description="User for the login.")
    password: SecretStr | None = Field(default=None, description="Its password, where it has no key.")
    key: SecretStr | None = Field(default=None, description="Its private key, OpenSSH form; mostly named as a file, by key_file.")
    host_key: str = Field(description="The server's public key, OpenSSH form; no other is trusted.")
    connect_limit_s: PositiveFloat = Field(default=10, description="How long to wait for a connection.")

    @field_validator("host_key")
    @classmethod
    def _is_key(cls, text: str) -> str:
        try:
            asyncssh.import_public_key(text)
        except asyncssh.KeyImportError:
            raise ValueError("expected a public key such as ssh-ed25519 AAAA...") from None
        return text

    @model_validator(mode="after")
    def _has_one_login(self) -> Self:
        if (self.password is None) == (self.key is None):
            raise ValueError("expected 'password' or 'key', and not both")
        self.own_key()
        return self

    def own_key(self) -> asyncssh.SSHKey | None:
        """The private key to log in with; None where there is a password instead.

        Raises:
            ValueError: it cannot be read.
        """
        if self.key is None:
            return None
        try:
            return asyncssh.import_private_key(self.key.get_secret_value())
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise ValueError("expected a private key in OpenSSH form that no passphrase locks") from None


class SftpAdapter(DropAdapter):
    """Hands over by files on an SFTP server. A subclass says `drop` and `translate`."""

    Settings: ClassVar = SftpSettings

    def __init__(self, settings: SftpSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._connecting = asyncio.Lock()
        self._line: _Line | None = None

    async def files(self) -> SftpFiles:
        """The folders, by the one connection.

        Raises:
            OSError: there is no connection to be had.
        """
        async with self._connecting:
            if self._line is None or self._line.end.done():
                await self.close()
                with _as_os_error():
                    self._line = await self._connect()
            return SftpFiles(self._line.sftp)

    async def close(self) -> None:
        """Close the connection."""
        if self._line is not None:
            await self._line.close()

    async def _connect(self) -> _Line:
        settings, key = self._settings, self._settings.own_key()
        async with asyncio.timeout(settings.connect_limit_s):
            connection = await asyncssh.connect(
                settings.host,
                settings.port,
                username=settings.user,
                password=settings.password and settings.password.get_secret_value(),
                known_hosts=([asyncssh.import_public_key(settings.host_key)], [], []),
                # Nothing of the account that the process runs under: no ssh_config, keys or agent.
                config=None,
                client_keys=None if key is None else [key],
                agent_path=None,
                preferred_auth="password" if key is None else "publickey",
                keepalive_interval=KEEPALIVE_S,
            )
            try:
                sftp = await connection.start_sftp_client()
            except BaseException:
                connection.abort()
                raise
        return _Line(connection, sftp, asyncio.create_task(sftp.wait_closed()))


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection with its one session. `end` is done as soon as either is lost."""

    connection: asyncssh.SSHClientConnection
    sftp: asyncssh.SFTPClient
    end: asyncio.Task[None]

    async def close(self) -> None:
        self.connection.close()
        await self.connection.wait_closed()
        await self.end


class SftpFiles:
    """Files in the home of an SFTP user."""

    def __init__(self, sftp: asyncssh.SFTPClient) -> None:
        self._sftp = sftp

    async def is_there(self, path: str) -> bool:
        """Only "no such file" counts as no; `exists` of the library would count "no permission" too."""
        with _as_os_error():
            try:
                await self._sftp.stat(path)
            except asyncssh.SFTPNoSuchFile:
                return False
        return True

    async def read(self, path: str, limit_bytes: int) -> bytes:
        """The first bytes of a file."""
        with _as_os_error():
            async with self._sftp.open(path, "rb") as file:
                return cast("bytes", await file.read(limit_bytes))

    async def write(self, path: str, content: bytes) -> None:
        """A whole new file."""
        with _as_os_error():
            async with self._sftp.open(path, "wb") as file:
                await file.write(content)

    async def rename(self, path: str, target: str) -> None:
        """Give a file its final name."""
        with _as_os_error():
            await self._sftp.rename(path, target)

    async def remove(self, path: str) -> None:
        """Remove a file."""
        with _as_os_error():
            await self._sftp.remove(path)


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except asyncssh.SFTPNoSuchFile as error:
        raise FileNotFoundError("no such file") from error
    except asyncssh.Error as error:  # its text may quote a path of the server; the type says enough
        raise ConnectionError("SFTP failed") from error
