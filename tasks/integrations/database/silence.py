"""Connections to PostgreSQL that do not wait for ever for a server that is frozen.

The kernel of a server that is stopped (SIGSTOP) or whose disk hangs still acknowledges every packet, as does a proxy
that passes nothing on: neither keepalives nor `tcp_user_timeout` notice it, and `statement_timeout` is a clock of the
server itself. So this side has two: when nothing has come for a while it asks on a second connection whether the
server still speaks, and what took longer than the server's own clock allows is given up.

Imported only where PostgreSQL is used: its driver is an extra.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Engine


class WatchedConnection(psycopg.Connection[Any]):
    """Gives up a server that is silent here and to newcomers, and one statement that outlives every limit.

    Attributes:
        asks_with: What the second connection is opened with; its `connect_timeout` is how long it is waited for.
        silence_seconds: So long nothing may come before it is opened, and then each time again.
        longest_silence_seconds: So long nothing may come, whatever newcomers are told; None: for ever.
    """

    asks_with: dict[str, Any]
    silence_seconds = 10.0
    longest_silence_seconds: float | None = None

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **keywords: Any) -> Any:
        """As the driver waits, which looks up ten times a second."""
        return super().wait(self._watch(gen), *arguments, **keywords)

    def _watch(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The driver's own steps, with a look at the clock between them."""
        heard = asked = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    heard = asked = now
                elif now - asked >= self.silence_seconds:
                    self._look(now - heard)
                    asked = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value

    def _look(self, silent_seconds: float) -> None:
        limit = self.longest_silence_seconds
        if limit is not None and silent_seconds >= limit:
            self._give_up(f"the server said nothing for {silent_seconds:.0f} s, longer than any statement may take")
        if not _speaks(self.asks_with):
            self._give_up(f"the server said nothing for {silent_seconds:.0f} s and does not let anybody in")

    def _give_up(self, why: str) -> None:
        """Close it first: who rolls back would else wait once more."""
        self.pgconn.finish()
        raise psycopg.OperationalError(why)


def watch_connections(engine: Engine, *, silence_seconds: float, longest_silence_seconds: float) -> None:
    """Every connection of the engine is a watched one.

    Args:
        engine: Of the psycopg driver.
        silence_seconds: Before the server is asked for a sign of life.
        longest_silence_seconds: Before a statement is given up; more than the server's own limit.
    """

    def connect(_dialect: Any, _record: Any, arguments: Any, keywords: dict[str, Any]) -> WatchedConnection:
        connection = WatchedConnection.connect(*arguments, **keywords)
        connection.asks_with = keywords
        connection.silence_seconds = silence_seconds
        connection.longest_silence_seconds = longest_silence_seconds
        return connection

    sa.event.listen(engine, "do_connect", connect)


def _speaks(asks_with: dict[str, Any]) -> bool:
    """Whether the server says anything to a newcomer, be it that there are too many of them."""
    try:
        psycopg.connect(**asks_with).close()
    except psycopg.errors.ConnectionTimeout:
        return False
    except psycopg.OperationalError:
        return True
    return True
