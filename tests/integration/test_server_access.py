"""The server on a real port over a real database: who asks, and what they may see."""

from __future__ import annotations

import random

from tasks.models import EVERYONE
from tests.integration.service import NOTICE, Service


def test_without_a_genuine_key_there_is_401_and_nothing_else(service: Service) -> None:
    genuine = service.key("anna", "hr")
    forged = [f"Bearer {genuine[:-1]}{'A' if genuine[-1] != 'A' else 'B'}", f"Bearer {genuine}x", f"Basic {genuine}"]
    wrong = [None, "", "Bearer", "Bearer x", "Bearer a.b.c", *forged, genuine]
    paths = ["/v1/answers", "/v1/searches", "/v1/feedback", "/v1/chat/completions", "/v1/nonsense"]
    for header in wrong:
        for path in paths:
            headers = {"Authorization": header} if header is not None else {}
            response = service.client.post(path, json={"question": NOTICE}, headers=headers)
            assert response.status_code == 401, (header, path)
            assert set(response.json()["error"]) == {"code", "message", "advice"}
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
            assert "six weeks" not in response.text
    assert service.client.get(f"/v1/documents/{service.document_id('notice.txt')}").status_code == 401
    assert service.client.get("/v1/models").status_code == 401


def test_each_caller_is_answered_from_what_that_caller_may_read(service: Service) -> None:
    hr, stranger = service.key("anna", "hr"), service.key("ben")
    assert "six weeks" in service.answer(hr, NOTICE)["text"]
    refused = service.post("/v1/answers", stranger, {"question": NOTICE})
    assert "six weeks" not in refused.text
    assert "notice.txt" not in refused.text
    found = service.post("/v1/searches", hr, {"question": NOTICE, "k": 10}).json()
    assert set(found) == {"question", "hits", "expansions"}
    assert {hit["uri"] for hit in found["hits"]} == {"memory://canteen.txt", "memory://notice.txt"}


def test_a_document_can_be_read_by_the_principal_it_names(own: Service) -> None:
    own.world.source.groups["notice.txt"] = ("anna",)
    own.world.ingest()
    assert "six weeks" in own.answer(own.key("anna"), NOTICE)["text"]
    assert "six weeks" not in own.answer(own.key("ben", "hr"), NOTICE)["text"]


def test_a_revoked_key_is_refused_at_the_next_request(service: Service) -> None:
    key = service.key("anna", "hr")
    assert "six weeks" in service.answer(key, NOTICE)["text"]
    service.world.keys.revoke_keys("default", principal="anna")
    response = service.post("/v1/answers", key, {"question": NOTICE})
    assert (response.status_code, "six weeks" in response.text) == (401, False)


def test_a_withdrawn_group_counts_at_the_next_request(own: Service) -> None:
    key = own.key("anna", "hr")
    document = f"/v1/documents/{own.document_id('notice.txt')}"
    assert own.get(document, key).status_code == 200
    own.world.source.groups["notice.txt"] = ("management",)
    own.world.ingest()
    assert "six weeks" not in own.post("/v1/answers", key, {"question": NOTICE}).text
    assert "six weeks" not in own.post("/v1/searches", key, {"question": NOTICE}).text
    assert own.get(document, key).status_code == 404


def test_a_key_of_another_tenant_sees_nothing_of_this_one(service: Service) -> None:
    key = service.key("anna", "hr", "service", tenant="acme")
    answer = service.answer(key, NOTICE)
    assert (answer["abstained"], answer["sources"], answer["citations"]) == (True, [], [])
    assert service.post("/v1/searches", key, {"question": NOTICE}).json()["hits"] == []
    assert service.get(f"/v1/documents/{service.document_id('canteen.txt')}", key).status_code == 404


def test_what_may_not_be_read_looks_like_what_does_not_exist(service: Service) -> None:
    key = service.key("ben")
    hidden = service.get(f"/v1/documents/{service.document_id('notice.txt')}", key)
    absent = service.get("/v1/documents/00000000-0000-5000-8000-000000000000", key)
    images = [
        service.get(f"/v1/documents/{one}/pages/1.png", key)
        for one in (service.document_id("notice.txt"), "00000000-0000-5000-8000-000000000000")
    ]
    assert hidden.status_code == absent.status_code == 404
    assert hidden.content == absent.content
    assert images[0].content == images[1].content
    own = {"date", "x-request-id"}
    assert {k: v for k, v in hidden.headers.items() if k not in own} == {
        k: v for k, v in absent.headers.items() if k not in own
    }


def test_hundreds_of_random_tries_leak_nothing(own: Service) -> None:
    dice = random.Random(7)
    words = {name: f"kw{dice.randrange(16**10):010x}" for name in (f"secret{n}.txt" for n in range(24))}
    groups = ["red", "green", "blue", "black"]
    readers = {name: tuple(dice.sample([*groups, EVERYONE], dice.choice([1, 1, 2]))) for name in words}
    for name, word in words.items():
        own.world.source.files[name] = f"The code of room {name[6:-4]} is {word}.".encode()
        own.world.source.groups[name] = readers[name]
    own.world.ingest()
    askers = {}
    for number in range(8):
        mine = dice.sample(groups, number % 4)
        askers[own.key(f"user{number}", *mine)] = {EVERYONE, *mine}
    shown = 0
    for _ in range(250):
        key, principals = dice.choice(list(askers.items()))
        wanted = dice.choice(list(words))
        body = {"question": f"What is the code of room {wanted[6:-4]}?"}
        seen = own.post(dice.choice(["/v1/answers", "/v1/searches"]), key, body).text
        for name, word in words.items():
            if word in seen or f"/{name}" in seen:
                assert principals & set(readers[name]), (principals, name, readers[name])
                shown += 1
    assert shown > 250, "readable documents are found, so the silence about the others means something"
