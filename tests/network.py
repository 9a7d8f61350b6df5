"""A TCP proxy on loopback that fails as networks do: it refuses, resets, hangs, dawdles, cuts and forgets.

toxiproxy does as much, but is a Go program that every CI run would have to build; its Python package only steers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

_CHUNK_BYTES = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_START_SECONDS = 10


class _Link:
    """One client's connection and ours to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.ends = (client, server)
        self.forgotten = False

    def reset(self) -> None:
        for end in self.ends:
            _reset(end)


class Proxy:
    """Passes everything on until it is told otherwise; every way of failing ends with `heal`.

    Args:
        target: The server's port.

    Attributes:
        port: Where clients connect.
        connections: How many came, those that were reset at once among them.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._links: set[_Link] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._pause_seconds = 0.0
        self._bytes_left: int | None = None
        self._resets = False
        self._server: asyncio.Server | None = None
        self.port = 0
        self.connections = 0

    def refuse(self) -> None:
        """Nobody listens any more, and who was connected is reset."""
        self._do(self._stop_listening)
        self._do(self._reset_all)

    def reset(self) -> None:
        """Who is connected is reset, and so is who connects."""
        self._resets = True
        self._do(self._reset_all)

    def hang(self) -> None:
        """Everything is accepted, nothing passed on; healed, what waited arrives."""
        self._do(self._flows.clear)

    def dawdle(self, pause_seconds: float) -> None:
        """Each piece waits for so long."""
        self._pause_seconds = pause_seconds

    def cut_after(self, number: int) -> None:
        """After so many more bytes, in both directions together, who is connected is reset, and so is who connects."""
        self._bytes_left = number

    def forget(self) -> None:
        """Connections that are open lead nowhere from now on, without a word; new ones work."""
        self._do(self._forget_all)

    def heal(self) -> None:
        """Pass everything on again."""
        self._resets, self._bytes_left, self._pause_seconds = False, None, 0.0
        self._do(self._flows.set)
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_START_SECONDS)

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        """Listens for as long as the block runs."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            self.heal()
            yield self
        finally:
            self._do(self._flows.set)
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_START_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _do(self, act: Callable[[], None]) -> None:
        """In the proxy's thread, to the end."""

        async def once() -> None:
            act()

        asyncio.run_coroutine_threadsafe(once(), self._loop).result(_START_SECONDS)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _reset_all(self) -> None:
        for link in list(self._links):
            link.reset()

    def _forget_all(self) -> None:
        for link in self._links:
            link.forgotten = True

    async def _end(self) -> None:
        self._stop_listening()
        self._reset_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # aborted connections are closed in the loop's next turn

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._resets:
            _reset(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, server_writer)
        self._links.add(link)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the proxy's end; asyncio would print it
                await asyncio.gather(
                    self._pass_on(reader, server_writer, link), self._pass_on(server_reader, writer, link)
                )
        finally:
            self._links.discard(link)
            link.reset()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: _Link) -> None:
        with contextlib.suppress(OSError):  # either end is gone
            while piece := await source.read(_CHUNK_BYTES):
                await self._flows.wait()
                if self._pause_seconds:
                    await asyncio.sleep(self._pause_seconds)
                if link.forgotten:
                    continue
                if self._cuts(len(piece)):
                    self._reset_all()
                    return
                sink.write(piece)
                await sink.drain()
            if not (link.forgotten or sink.is_closing()):
                sink.write_eof()

    def _cuts(self, number: int) -> bool:
        if self._bytes_left is None:
            return False
        self._bytes_left -= number
        self._resets = self._bytes_left < 0
        return self._resets


def _reset(end: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN, at once."""
    transport = end.transport
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
