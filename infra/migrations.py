"""Opening the database of a store: its tables are made, or brought from those of an earlier version to those of this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import sqlalchemy as sa

from infra import database
from infra.private_files import keep_private
from infra.rows import insert_new
from infra.settings import StoreSettings
from schemas import problems
from schemas.errors import CannotTell, UsageError

Migration = Callable[[sa.Connection], None]
"""One step from tables of an earlier version to those of the next, within the transaction that opens the store."""

_CREATE_LOCK: Final = 0x5742

_versions = sa.Table(
    "store_version", sa.MetaData(), sa.Column("store", sa.Text, primary_key=True), sa.Column("version", sa.Integer, nullable=False)
)


def open_database(
    settings: StoreSettings, name: str, tables: sa.MetaData, migrations: Sequence[Migration], catch_up: Migration | None = None
) -> sa.Engine:
    """The database with its tables. Processes that open the same one at the same time wait for each other. `catch_up` is run each time.

    Raises:
        CannotTell: store-unreachable.
        UsageError: store-newer.
    """
    if settings.url is None:
        settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        keep_private(settings.folder.glob(f"{name}.*"))
    engine = database.connect(settings, name)
    try:
        writing = engine.execution_options(**{database.WRITES: True})
        with writing.begin() as connection:  # beside another process that writes, it has its turn
            if engine.dialect.name == "postgresql":  # processes start together and must not create the same table twice
                connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_CREATE_LOCK})"))
            tables.create_all(connection)
            _migrate(connection, name, migrations)
            if catch_up is not None:
                catch_up(connection)
        database.checkpoint(engine)
    except sa.exc.OperationalError as error:
        engine.dispose()
        raise CannotTell(problems.STORE_UNREACHABLE, f"store '{name}': {database.reason(error)}", where=settings.shown(name)) from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def _migrate(connection: sa.Connection, store: str, migrations: Sequence[Migration]) -> None:
    """Run the steps that this database has not seen; a new one has all tables already, and the steps find nothing to do.

    Raises:
        UsageError: store-newer; the transaction undoes whatever came before.
    """
    _versions.create(connection, checkfirst=True)
    insert_new(connection, _versions, [{"store": store, "version": 0}])
    version = connection.execute(sa.select(_versions.c.version).where(_versions.c.store == store)).scalar_one()
    if version > len(migrations):  # it holds what this version would misread, or not keep
        raise UsageError(problems.STORE_NEWER, f"store '{store}' has version {version}, this program knows {len(migrations)}")
    for step in migrations[version:]:
        step(connection)
    connection.execute(_versions.update().where(_versions.c.store == store).values(version=len(migrations)))


def add_missing_columns(connection: sa.Connection, table: sa.Table) -> None:
    """Give a table of an earlier version the columns that it has not; they may be empty."""
    there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            kind = column.type.compile(connection.dialect)
            connection.exec_driver_sql(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {kind}')
