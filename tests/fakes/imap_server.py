r"""As much of RFC 9051 as reading a mailbox needs, on a real port: LOGIN, SELECT, UID SEARCH, FETCH and STORE."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Mailboxes:
    """One user's folders; tests look at what was seen, and break what they want broken."""

    folders: dict[str, dict[int, bytes]] = field(default_factory=lambda: {"INBOX": {}})
    seen: set[int] = field(default_factory=set)
    validity: int = 7
    password: str = "secret"
    said: list[str] = field(default_factory=list)
    hang_up_at: str = ""
    port: int = 0

    @property
    def url(self) -> str:
        return f"imap://eva%40company.example@127.0.0.1:{self.port}"


class _Session(socketserver.StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True  # else each small answer waits 40 ms for the next

    def handle(self) -> None:
        self.boxes: Mailboxes = self.server.boxes  # type: ignore[attr-defined]
        self.mails: dict[int, bytes] = {}
        self.say("* OK ready")
        for line in self.rfile:
            tag, _, rest = line.decode("latin-1").strip().partition(" ")
            self.boxes.said.append(rest)
            if self.boxes.hang_up_at and self.boxes.hang_up_at in rest:
                return
            command = re.sub(r"^UID ", "UID_", rest).partition(" ")[0].upper()
            done = getattr(self, f"do_{command.lower()}", lambda _: "BAD unknown")(rest)
            self.say(f"{tag} {done}")
            if command == "LOGOUT":
                return

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def do_capability(self, _: str) -> str:
        self.say("* CAPABILITY IMAP4rev1")
        return "OK done"

    def do_login(self, rest: str) -> str:
        return "OK done" if rest.endswith(f'"{self.boxes.password}"') else "NO wrong password"

    def do_select(self, rest: str) -> str:
        folder = rest.partition(" ")[2].strip('"')
        if folder not in self.boxes.folders:
            return "NO no such folder"
        self.mails = self.boxes.folders[folder]
        self.say(f"* {len(self.mails)} EXISTS")
        self.say(f"* OK [UIDVALIDITY {self.boxes.validity}] as it is")
        return "OK [READ-WRITE]"

    def do_uid_search(self, _: str) -> str:
        # In no order: the standard promises none.
        self.say(" ".join(["* SEARCH", *(str(uid) for uid in sorted(set(self.mails) - self.boxes.seen, reverse=True))]))
        return "OK done"

    def do_uid_fetch(self, rest: str) -> str:
        uid = int(rest.split()[2])
        if uid in self.mails:
            if "PEEK" not in rest:
                self.boxes.seen.add(uid)
            self.say(f"* 1 FETCH (UID {uid} BODY[] {{{len(self.mails[uid])}}}")
            self.wfile.write(self.mails[uid])
            self.say(")")
        return "OK done"

    def do_uid_store(self, rest: str) -> str:
        assert r"+FLAGS.SILENT (\Seen)" in rest
        self.boxes.seen.update(int(uid) for uid in rest.split()[2].split(","))
        return "OK done"

    def do_logout(self, _: str) -> str:
        self.say("* BYE")
        return "OK done"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def imap_server() -> Iterator[Mailboxes]:
    """A running server's mailboxes."""
    boxes = Mailboxes()
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.boxes = boxes  # type: ignore[attr-defined]
        boxes.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield boxes
        finally:
            server.shutdown()
            thread.join()
