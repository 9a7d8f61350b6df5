"""The server as its users and its operator meet it: other people's clients, hard times, a clean end."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest

from tests.e2e.command import REPOSITORY, CommandLine, answers, wait_until
from tests.e2e.endpoint import chat_endpoint
from tests.e2e.serving import STOP_SECONDS, Running, add_key, serving

pytestmark = pytest.mark.server

NOTICE = "How long is the notice period?"
CANTEEN = "When does the canteen open?"
SOURCES = """\
sources:
  - name: handbook
    url: company
    groups_by_glob:
      "hr/**": [hr]
"""
FILES = {
    "company/opening.txt": "The canteen opens at noon and closes at two.",
    "company/hr/notice.md": "# Notice period\n\nThe notice period is six weeks to the end of a quarter.",
}
TRAVEL = REPOSITORY / "data/documents/hr/for-everyone/travel-policy-2024.pdf"
ERROR = {"code", "message", "advice"}


@dataclass(frozen=True)
class Company:
    """A server over two documents, and who may ask it."""

    shell: CommandLine
    server: Running
    hr_key: str
    plain_key: str

    def post(self, path: str, key: str, body: object, **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}", **headers}
        return httpx.post(f"{self.server.address}{path}", json=body, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, api_url: str, either_database: dict[str, str]) -> CommandLine:
    """A shell in which the documents are ingested."""
    folder = tmp_path_factory.mktemp("company")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(TRAVEL, folder / "company/travel.pdf")
    (folder / "sources.yaml").write_text(SOURCES)
    # The machine may be busy with other tests: what waits is not sent away for that.
    limits = {"EXPERTLOOP_RATE_PER_MINUTE": "0", "EXPERTLOOP_QUEUE_TIMEOUT_SECONDS": "300"}
    shell = CommandLine(folder).set(PREFECT_API_URL=api_url, **limits, **either_database)
    assert shell.run("ingest", "--json").code == 0
    return shell


@pytest.fixture(scope="module")
def company(shell: CommandLine) -> Iterator[Company]:
    with serving(shell) as server:
        yield Company(shell, server, add_key(shell, "anna", "hr"), add_key(shell, "ben"))


# --- other people's clients ------------------------------------------------------------------------------------------


def test_the_openai_package_is_answered_with_citations(company: Company) -> None:
    with openai.OpenAI(base_url=f"{company.server.address}/v1", api_key=company.hr_key) as client:
        assert [model.id for model in client.models.list()] == ["expertloop"]
        done = client.chat.completions.create(
            model="expertloop",
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": NOTICE}],
        )
    message = done.choices[0].message
    assert message.content is not None
    assert "six weeks" in message.content
    assert done.choices[0].finish_reason == "stop"
    (annotation,) = message.annotations or []
    place = annotation.url_citation
    assert message.content[place.start_index : place.end_index] == "[1]"
    page = httpx.get(place.url, headers={"Authorization": f"Bearer {company.hr_key}"})
    assert '<mark id="cited">The notice period is six weeks to the end of a quarter.</mark>' in page.text


def test_the_openai_package_is_answered_as_a_stream(company: Company) -> None:
    with openai.OpenAI(base_url=f"{company.server.address}/v1", api_key=company.hr_key) as client:
        stream = client.chat.completions.create(
            model="expertloop",
            messages=[{"role": "user", "content": [{"type": "text", "text": NOTICE}]}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert "six weeks" in text
    assert text.endswith("[1]")
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None


def test_the_openai_package_understands_refusals(company: Company) -> None:
    base_url = f"{company.server.address}/v1"
    with (
        openai.OpenAI(base_url=base_url, api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match="key is wrong"),
    ):
        client.models.list()
    with openai.OpenAI(base_url=base_url, api_key=company.plain_key, max_retries=0) as client:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": NOTICE}])
        with pytest.raises(openai.UnprocessableEntityError):
            client.chat.completions.create(model="expertloop", messages=[{"role": "system", "content": "x"}])


# --- keys ------------------------------------------------------------------------------------------------------------


def test_without_a_key_nothing_is_answered_and_health_is(company: Company) -> None:
    refused = httpx.post(f"{company.server.address}/v1/answers", json={"question": CANTEEN})
    assert refused.status_code == 401
    assert set(refused.json()["error"]) == ERROR
    assert "noon" not in refused.text
    for path in ("/healthz", "/readyz", "/metrics", "/docs"):
        assert httpx.get(f"{company.server.address}{path}").status_code == 200


def test_a_key_sees_what_its_groups_may_read(company: Company) -> None:
    allowed = company.post("/v1/answers", company.hr_key, {"question": NOTICE}).json()
    assert "six weeks" in "".join(citation["quote"] for citation in allowed["citations"])
    assert "six weeks" not in company.post("/v1/answers", company.plain_key, {"question": NOTICE}).text


def test_keys_are_revoked_by_the_command_line_while_the_server_runs(company: Company) -> None:
    first, second = add_key(company.shell, "carl", "hr"), add_key(company.shell, "carl")
    assert company.post("/v1/answers", first, {"question": NOTICE}).status_code == 200
    done = company.shell.run("keys", "revoke", first.split("_")[1], "--json")
    assert (done.code, done.record["principal"]) == (0, "carl")
    assert company.post("/v1/answers", first, {"question": NOTICE}).status_code == 401
    assert company.post("/v1/answers", second, {"question": NOTICE}).status_code == 200
    assert company.shell.run("keys", "revoke", "--principal", "carl").code == 0
    assert company.post("/v1/answers", second, {"question": NOTICE}).status_code == 401


def test_the_command_line_lists_keys_without_their_secrets(company: Company) -> None:
    listed = company.shell.run("keys", "list", "--json")
    assert {"anna", "ben"} <= {record["principal"] for record in listed.records}
    fields = {"key_id", "principal", "groups", "role", "created_at", "revoked_at"}
    assert all(set(record) == fields for record in listed.records)
    assert company.hr_key.split("_", 2)[2] not in listed.out + company.shell.run("keys", "list").out


def test_keys_that_cannot_be_are_refused_in_two_lines(company: Company) -> None:
    for arguments in (["add", "--principal", "everyone"], ["add", "--principal", ""], ["revoke", "0123456789abcdef"]):
        done = company.shell.run("keys", *arguments)
        assert (done.code, done.out, len(done.said)) == (1, "", 2), arguments
    assert company.shell.run("keys", "revoke").code == 2
    assert company.shell.run("keys", "add", "--principal", "x", "--role", "king").code == 2


# --- documents -------------------------------------------------------------------------------------------------------


def test_a_pdf_is_shown_with_the_image_of_the_cited_page_while_its_file_is_the_same(company: Company) -> None:
    question = {"question": "Up to how much may a hotel in Germany cost a night?"}
    (citation, *_) = company.post("/v1/answers", company.plain_key, question).json()["citations"]
    place = f"/v1/documents/{citation['document_id']}"
    image = f"{place}/pages/{citation['page']}.png"
    with httpx.Client(base_url=company.server.address, auth=("ben", company.plain_key), timeout=60) as browser:
        page = browser.get(place, params={"start": citation["start"], "end": citation["end"]})
        assert f'<img src="{image}"' in page.text
        assert "EUR 110 a night in Germany" in page.text.partition("<mark")[2].partition("</mark>")[0]
        shown = browser.get(image)
        assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/png")
        assert shown.content.startswith(b"\x89PNG")
        assert browser.get(f"{place}/pages/2.png").status_code == 404
        # Another file takes its place: nobody gave leave to show that one.
        shutil.copy(TRAVEL.with_name("betriebliche-altersvorsorge.pdf"), company.shell.folder / "company/travel.pdf")
        assert browser.get(image).status_code == 404
        shutil.copy(TRAVEL, company.shell.folder / "company/travel.pdf")
        assert browser.get(image).status_code == 200
    assert httpx.get(f"{company.server.address}{image}").status_code == 401


# --- hard times ------------------------------------------------------------------------------------------------------


def test_malformed_and_oversized_bodies_are_refused(company: Company) -> None:
    headers = {"Authorization": f"Bearer {company.plain_key}", "Content-Type": "application/json"}
    url = f"{company.server.address}/v1/answers"
    malformed = httpx.post(url, content=b'{"question": ', headers=headers)
    oversized = httpx.post(url, content=json.dumps({"question": "x" * 300_000}).encode(), headers=headers)
    chunked = httpx.post(url, content=(b"x" * 10_000 for _ in range(40)), headers=headers)
    assert [one.status_code for one in (malformed, oversized, chunked)] == [400, 413, 413]
    assert all(set(one.json()["error"]) == ERROR for one in (malformed, oversized, chunked))


def test_two_hundred_connections_at_once_are_all_answered(company: Company) -> None:
    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        headers = {"Authorization": f"Bearer {company.hr_key}"}
        async with httpx.AsyncClient(limits=limits, timeout=300, headers=headers) as client:
            url = f"{company.server.address}/v1/answers"
            return await asyncio.gather(*(client.post(url, json={"question": NOTICE}) for _ in range(200)))

    responses = asyncio.run(ask())
    assert {response.status_code for response in responses} == {200}
    assert all("six weeks" in response.json()["text"] for response in responses)
    assert len({response.json()["id"] for response in responses}) == 200


def test_slow_clients_keep_nobody_waiting(company: Company) -> None:
    host, _, port = company.server.address.removeprefix("http://").partition(":")
    head = (
        f"POST /v1/answers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {company.plain_key}\r\nContent-Length: 99\r\n"
    )
    slow = [socket.create_connection((host, int(port))) for _ in range(50)]
    for number, connection in enumerate(slow):
        connection.sendall((head + ("\r\n{" if number % 2 else "")).encode())
    answer = company.post("/v1/answers", company.plain_key, {"question": CANTEEN})
    for connection in slow:
        connection.close()
    assert "noon" in answer.json()["text"]


def test_a_generator_that_is_down_lets_documents_speak_unless_that_is_not_wanted(company: Company) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]
    shell = company.shell.set(
        EXPERTLOOP_GENERATOR="openai",
        EXPERTLOOP_GENERATOR_URL=f"http://127.0.0.1:{closed}/v1",
        EXPERTLOOP_GENERATOR_MODEL="parrot",
    )
    with serving(shell) as server:
        given = Company(shell, server, company.hr_key, company.plain_key).post(
            "/v1/answers", company.hr_key, {"question": NOTICE}
        )
    assert (given.status_code, given.json()["mode"]) == (200, "extractive")
    assert "six weeks" in given.json()["text"]
    with serving(shell.set(EXPERTLOOP_EXTRACTIVE_FALLBACK="false")) as server:
        refused = Company(shell, server, company.hr_key, company.plain_key).post(
            "/v1/answers", company.hr_key, {"question": NOTICE}
        )
    assert refused.status_code == 503
    assert "does not answer" in refused.json()["error"]["message"]
    assert "Retry-After" in refused.headers


# --- the operator ----------------------------------------------------------------------------------------------------


def test_asked_to_end_it_finishes_the_answer_it_is_at(company: Company) -> None:
    with chat_endpoint("The notice period is six weeks to the end of a quarter. [1]") as endpoint:
        shell = endpoint.use(company.shell)
        with serving(shell) as server:
            asked = Company(shell, server, company.hr_key, company.plain_key)
            got: list[httpx.Response] = []
            asking = threading.Thread(
                target=lambda: got.append(asked.post("/v1/answers", company.hr_key, {"question": NOTICE}))
            )
            asking.start()
            assert endpoint.reached.wait(timeout=60)
            server.process.send_signal(signal.SIGTERM)
            wait_until_refused(server)
            endpoint.free.set()
            asking.join()
            code = server.process.wait(timeout=STOP_SECONDS)
    assert (got[0].status_code, got[0].json()["mode"]) == (200, "generated")
    assert "six weeks" in got[0].json()["text"]
    assert code == 0


def wait_until_refused(server: Running) -> None:
    """Until the server takes no new connections."""
    wait_until(lambda: not answers(f"{server.address}/healthz"), what="the end of listening")


def test_metrics_tell_what_happened(company: Company) -> None:
    company.post("/v1/answers", company.hr_key, {"question": NOTICE})
    text = httpx.get(f"{company.server.address}/metrics").text
    assert 'expertloop_answers_total{mode="extractive",reason=""}' in text
    assert 'expertloop_requests_total{method="POST",route="/v1/answers",status="200"}' in text


def test_the_log_has_a_json_line_a_request_and_no_question_and_no_key(company: Company) -> None:
    company.post("/v1/answers", company.hr_key, {"question": NOTICE}, **{"X-Request-ID": "seen-1"})
    company.post("/v1/answers", company.hr_key, {"question": NOTICE})  # the line of the one before is written by now
    (line,) = [line for line in company.server.access_lines() if line["request_id"] == "seen-1"]
    assert (line["route"], line["status"], line["key_id"]) == ("/v1/answers", 200, company.hr_key.split("_")[1])
    log = company.server.log.read_text()
    assert "notice" not in log
    assert company.hr_key.split("_", 2)[2] not in log
    assert "Traceback" not in log


def test_a_port_in_use_is_said_in_two_lines(company: Company) -> None:
    port = company.server.address.rpartition(":")[2]
    done = company.shell.run("serve", "--port", port)
    assert (done.code, done.out, len(done.said)) == (1, "", 2)
    assert port in done.said[0]


def test_a_wrong_identity_provider_is_said_before_anything_listens(shell: CommandLine, tmp_path: Path) -> None:
    done = shell.set(EXPERTLOOP_OIDC_ISSUER="https://issuer.example").run("serve", "--port", "0")
    assert (done.code, len(done.said)) == (1, 2)
    assert "EXPERTLOOP_OIDC_AUDIENCE" in done.said[1]
