"""Ways out: each carries the id by which a repetition is told, and says in our words what goes wrong."""

from __future__ import annotations

import json
import socket
import threading
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa

from tasks.case_models import Decision, MessageKind, OutgoingMessage
from tasks.errors import BackendUnavailable, ConfigurationError, ProductError, RateLimited
from tasks.integrations.outbox_mail import FolderOutbox, SmtpOutbox, write_mail
from tasks.integrations.outbox_table import TableOutbox
from tasks.integrations.outbox_webhook import WebhookOutbox
from tasks.keys import sign_body


def message(kind: MessageKind = "reply", subject: str = "Re: Hail") -> OutgoingMessage:
    return OutgoingMessage(
        message_id="m-1",
        case_id="c-1",
        tenant="default",
        kind=kind,
        customer="eva@x.example",
        recipient="eva@x.example",
        subject=subject,
        body="Hail is covered – größtenteils.",
        in_reply_to="<1@x.example>",
        decision=Decision.AUTO_REPLY,
    )


def test_a_mail_names_the_case_in_its_id_and_says_that_a_machine_wrote_it() -> None:
    mail = write_mail(message(), "service@company.example")
    assert mail["Message-ID"] == "<m-1@company.example>"
    assert (mail["In-Reply-To"], mail["Auto-Submitted"]) == ("<1@x.example>", "auto-replied")
    assert mail["X-Unsent"] is None
    assert write_mail(message("draft"), "a@b.example")["X-Unsent"] == "1"


def test_a_subject_cannot_begin_another_header() -> None:
    mail = write_mail(message(subject="Re: x\r\nBcc: everybody@x.example"), "a@b.example")
    assert mail["Bcc"] is None


def test_the_same_message_twice_is_one_file(tmp_path: Path) -> None:
    out = FolderOutbox(tmp_path / "out", "service@company.example")
    out.deliver(message())
    out.deliver(message())
    (file,) = (tmp_path / "out").iterdir()
    read = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert read.get_content().strip() == "Hail is covered – größtenteils."


def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendUnavailable, match="cannot write"):
        FolderOutbox(tmp_path / "file", "a@b.example").deliver(message())


def test_a_webhook_gets_a_signed_body_and_an_idempotency_key() -> None:
    got: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return httpx.Response(204)

    WebhookOutbox("https://hook.example/in", "key", transport=httpx.MockTransport(answer)).deliver(message())
    (request,) = got
    assert request.headers["Idempotency-Key"] == "m-1"
    assert request.headers["X-Expertloop-Signature"] == sign_body(request.content, "key")
    assert json.loads(request.content)["recipient"] == "eva@x.example"


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, RateLimited), (503, BackendUnavailable), (408, BackendUnavailable), (404, ConfigurationError)],
)
def test_what_a_webhook_answers_becomes_one_of_our_errors(status: int, error: type[ProductError]) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers={"Retry-After": "7"}))
    with pytest.raises(error) as raised:
        WebhookOutbox("https://hook.example/in?token=secret", None, transport=transport).deliver(message())
    assert "secret" not in raised.value.message
    assert not isinstance(raised.value, RateLimited) or raised.value.retry_after_seconds == 7


def test_a_webhook_that_is_down_is_tried_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(BackendUnavailable, match="is down"):
        WebhookOutbox(f"http://127.0.0.1:{port}/", None).deliver(message())


def test_the_same_message_twice_is_one_row(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'erp.db'}"
    out = TableOutbox(f"{url}?table=letters")
    out.deliver(message())
    out.deliver(message())
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT message_id, kind FROM letters")).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [("m-1", "reply")]


@pytest.mark.parametrize("url", ["nonsense", "sqlite+nothing:///x"])
def test_an_address_that_opens_no_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        TableOutbox(url)


def test_a_mail_server_never_gets_drafts() -> None:
    assert "draft" not in SmtpOutbox(urlsplit("smtp://127.0.0.1:25"), "a@b.example", None).kinds


def test_a_mail_server_takes_the_mail() -> None:
    lines: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        thread = threading.Thread(target=serve_one_mail, args=(server, lines))
        thread.start()
        port = server.getsockname()[1]
        SmtpOutbox(urlsplit(f"smtp://127.0.0.1:{port}"), "service@company.example", None).deliver(message())
        thread.join(20)
    assert any(line.startswith(b"Message-ID: <m-1@company.example>") for line in lines)


def serve_one_mail(server: socket.socket, lines: list[bytes]) -> None:
    """As much of RFC 5321 as one mail needs."""
    connection, _ = server.accept()
    with connection, connection.makefile("rwb") as stream:

        def say(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        say("220 test")
        in_data = False
        for line in stream:
            lines.append(line)
            if in_data:
                if line == b".\r\n":
                    in_data = False
                    say("250 taken")
            elif line.upper().startswith(b"DATA"):
                in_data = True
                say("354 go on")
            elif line.upper().startswith(b"QUIT"):
                say("221 bye")
                return
            else:
                say("250 ok")


def test_a_mail_server_that_is_down_is_tried_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(BackendUnavailable):
        SmtpOutbox(urlsplit(f"smtp://127.0.0.1:{port}"), "a@b.example", None).deliver(message())
