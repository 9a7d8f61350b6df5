"""Ways out that carry mails: a folder of .eml files, and SMTP."""

from __future__ import annotations

import os
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from urllib.parse import SplitResult, unquote

from tasks.case_models import MessageKind, OutgoingMessage
from tasks.errors import BackendUnavailable, ConfigurationError

_TIMEOUT_SECONDS = 30.0


def write_mail(message: OutgoingMessage, sender: str) -> EmailMessage:
    """The message as a mail. Its Message-ID is derived from the case, so that a repetition is recognised."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = _one_line(message.recipient)
    mail["Subject"] = _one_line(message.subject)
    mail["Message-ID"] = f"<{message.message_id}@{sender.rpartition('@')[2] or 'localhost'}>"
    if message.in_reply_to:
        mail["In-Reply-To"] = mail["References"] = _one_line(message.in_reply_to)
    mail["Auto-Submitted"] = "auto-replied"  # RFC 3834: no machine answers a machine
    mail["X-Expertloop-Decision"] = message.decision.value
    if message.kind == "draft":
        mail["X-Unsent"] = "1"  # mail programs open it as a draft
    mail.set_content(message.body)
    return mail


def _one_line(text: str) -> str:
    """Nothing that could begin another header."""
    return " ".join(text.split())


class FolderOutbox:
    """One .eml file a message, named by its id: writing it twice is writing it once."""

    kinds: tuple[MessageKind, ...] = ("reply", "draft", "correction")

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    def deliver(self, message: OutgoingMessage) -> None:
        """Write the file whole or not at all."""
        name = f"{message.kind}-{message.message_id}.eml"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = self._folder / f".{name}.part"
            draft.write_bytes(write_mail(message, self._sender).as_bytes())
            os.replace(draft, self._folder / name)  # noqa: PTH105 (says that it replaces)
        except OSError as error:
            raise BackendUnavailable(
                f"cannot write to {self._folder}: {error.strerror}", advice="make room, or set EXPERTLOOP_OUTBOX_URL"
            ) from error


class SmtpOutbox:
    """A mail server. Drafts never go there: customers read what comes out.

    Args:
        address: `smtp://user@host:587` (STARTTLS where the server has it) or `smtps://user@host:465`.
        password: Of the user, when there is one.
    """

    kinds: tuple[MessageKind, ...] = ("reply", "correction")

    def __init__(self, address: SplitResult, sender: str, password: str | None) -> None:
        if not address.hostname:
            raise ConfigurationError("EXPERTLOOP_OUTBOX_URL names no host", advice="write smtp://user@host:587")
        self._address = address
        self._sender = sender
        self._password = password

    def deliver(self, message: OutgoingMessage) -> None:
        """Send one mail."""
        try:
            with self._connect() as server:
                server.send_message(write_mail(message, self._sender))
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPAuthenticationError) as error:
            raise ConfigurationError(
                f"the mail server refuses: {type(error).__name__}",
                advice="check the recipient, EXPERTLOOP_OUTBOX_SENDER and EXPERTLOOP_OUTBOX_KEY",
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise BackendUnavailable(
                f"the mail server does not take it: {type(error).__name__}", advice="it is sent again later"
            ) from error

    def _connect(self) -> smtplib.SMTP:
        host, context = self._address.hostname or "", ssl.create_default_context()
        if self._address.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, self._address.port or 465, timeout=_TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(host, self._address.port or 25, timeout=_TIMEOUT_SECONDS)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
        if self._address.username and self._password:
            server.login(unquote(self._address.username), self._password)
        return server
