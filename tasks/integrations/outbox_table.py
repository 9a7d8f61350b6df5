"""A way out into another program's database: one row a message, its id the primary key."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import exc

from tasks.case_models import MessageKind, OutgoingMessage
from tasks.errors import BackendUnavailable, ConfigurationError
from tasks.integrations.foreign_databases import open_foreign_database

_COLUMNS = ("message_id", "case_id", "kind", "decision", "recipient", "subject", "body", "in_reply_to")


class TableOutbox:
    """Inserts rows; a row that is there stays.

    Args:
        url: SQLAlchemy's, with `?table=name`; the table is made when it is not there.
    """

    kinds: tuple[MessageKind, ...] = ("reply", "draft", "correction")

    def __init__(self, url: str) -> None:
        try:
            address = sa.make_url(url)
            self._engine = open_foreign_database(address.difference_update_query(["table"]))
        except (exc.ArgumentError, exc.NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
            raise ConfigurationError(
                "EXPERTLOOP_OUTBOX_URL is no address of a database that can be opened",
                advice="write for example postgresql+psycopg://user@host/name?table=outbox",
            ) from error
        name = str(address.query.get("table", "outbox"))
        self._table = sa.Table(
            name, sa.MetaData(), *(sa.Column(one, sa.Text, primary_key=one == "message_id") for one in _COLUMNS)
        )

    def deliver(self, message: OutgoingMessage) -> None:
        """Insert it once."""
        row = {
            name: value.replace("\0", "")
            for name, value in message.model_dump(mode="json", include=set(_COLUMNS)).items()
        }
        known = sa.select(self._table.c.message_id).where(self._table.c.message_id == message.message_id)
        try:
            with self._engine.begin() as connection:
                self._table.create(connection, checkfirst=True)
                if connection.execute(known).first() is None:
                    connection.execute(sa.insert(self._table).values(row))
        except exc.IntegrityError:
            return  # another process delivered it in this moment
        except exc.OperationalError as error:
            raise BackendUnavailable(
                "the outbox's database does not answer", advice="it is sent again later"
            ) from error
        except exc.SQLAlchemyError as error:
            raise ConfigurationError(
                f"the outbox's table does not take a message: {type(error).__name__}",
                advice=f"it needs the text columns {', '.join(_COLUMNS)}",
            ) from error
