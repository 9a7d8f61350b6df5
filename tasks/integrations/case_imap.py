r"""A mailbox behind IMAP (RFC 9051): unseen mails are read without a trace, and marked `\Seen` when told so."""

from __future__ import annotations

import base64
import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import unquote, urlsplit

from tasks.errors import BackendUnavailable, ConfigurationError

_TIMEOUT_SECONDS = 60.0
_ADVICE = "write imaps://user@host/folder, its password into EXPERTLOOP_INBOX_KEY"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ImapMailbox:
    """One folder of one user.

    Args:
        url: `imaps://user@host:993/folder`, or `imap://` (STARTTLS, port 143); the folder is INBOX unless told.
        password: Never part of the URL, which is a parameter of flows, and Prefect keeps those in the clear.

    Raises:
        ConfigurationError: The address cannot be right.
    """

    def __init__(self, url: str, password: str | None) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigurationError("the mailbox has no address that can be read", advice=_ADVICE) from error
        self._user, folder = unquote(parts.username or ""), unquote(parts.path.strip("/")) or "INBOX"
        if not self._host or not self._user or parts.password is not None or not f"{self._user}{folder}".isprintable():
            raise ConfigurationError("the mailbox needs a user and a host, and no password in it", advice=_ADVICE)
        if not password or not f"{self._user}{password}".isascii():
            raise ConfigurationError("the mailbox needs a password of ASCII letters", advice=_ADVICE)
        self._secure = parts.scheme == "imaps"
        self._password = password
        self._folder = f'"{encode_folder(folder)}"'

    def read_mails(self) -> Iterator[tuple[str, bytes]]:
        """What nobody has seen, the oldest first, each with the name that the server knows it by."""
        with self._opened() as (server, validity):
            _, found = server.uid("SEARCH", "UNSEEN")
            for uid in sorted((found[0] or b"").split(), key=int):
                _, parts = server.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
                for part in parts:
                    if isinstance(part, tuple):  # none for a mail that somebody deleted meanwhile
                        yield f"{validity}.{uid.decode()}", part[1]

    def mark_seen(self, names: Sequence[str]) -> None:
        """Not read again; names of before the server numbered anew are left: their mails come again, and are known."""
        if not names:
            return
        # A connection of its own: what was read may be worked on for longer than a server waits.
        with self._opened() as (server, validity):
            uids = [uid for before, _, uid in (name.partition(".") for name in names) if before == validity]
            if uids:
                server.uid("STORE", ",".join(uids), "+FLAGS.SILENT", r"(\Seen)")

    @contextmanager
    def _opened(self) -> Iterator[tuple[imaplib.IMAP4, str]]:
        """The folder, and the UIDVALIDITY of its numbers."""
        try:
            server = self._connect()
            try:
                server.login(self._user, self._password)
                done, said = server.select(self._folder)
                if done != "OK":
                    raise ConfigurationError(f"there is no such folder on {self._host}: {said!r}", advice=_ADVICE)
                yield server, (server.response("UIDVALIDITY")[1][0] or b"").decode()
            finally:
                _leave(server)
        except ssl.SSLCertVerificationError as error:
            advice = "have it certified for this name"
            raise ConfigurationError(f"{self._host} has no certificate that is trusted", advice=advice) from error
        except (imaplib.IMAP4.abort, OSError) as error:
            what = f"the mail server {self._host} does not answer: {type(error).__name__}"
            raise BackendUnavailable(what, advice="its mails are read by the next run") from error
        except imaplib.IMAP4.error as error:
            what = f"the mail server {self._host} refuses {self._user}: {str(error)[:200]}"
            raise ConfigurationError(what, advice=_ADVICE) from error

    def _connect(self) -> imaplib.IMAP4:
        context = ssl.create_default_context()
        if self._secure:
            return imaplib.IMAP4_SSL(self._host, self._port or 993, ssl_context=context, timeout=_TIMEOUT_SECONDS)
        server = imaplib.IMAP4(self._host, self._port or 143, timeout=_TIMEOUT_SECONDS)
        if "STARTTLS" in server.capabilities:
            server.starttls(ssl_context=context)
        elif self._host not in _LOOPBACK:
            server.shutdown()
            raise ConfigurationError(f"{self._host} would get the password in the clear", advice="write imaps://…")
        return server


def _leave(server: imaplib.IMAP4) -> None:
    """With good manners where the other side still listens."""
    try:
        server.logout()
    except (imaplib.IMAP4.error, OSError):
        with suppress(OSError):
            server.shutdown()


def encode_folder(name: str) -> str:
    """A folder's name as IMAP writes it: modified UTF-7 (RFC 3501, section 5.1.3), quoted."""

    def encode(run: re.Match[str]) -> str:
        coded = base64.b64encode(run.group().encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return f"&{coded.decode()}-"

    plain = name.replace("&", "&-").replace("\\", "\\\\").replace('"', '\\"')
    return re.sub(r"[^ -~]+", encode, plain)
