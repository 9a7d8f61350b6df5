"""The forms of EXPERTLOOP_INDEX_URL that name a Weaviate."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.errors import ConfigurationError
from tasks.integrations.weaviate.address import WeaviateAddress, parse_address, parse_headers

HOME = Path("/home/expertloop")


def test_a_server_has_two_ports_which_have_defaults() -> None:
    assert parse_address("weaviate+http://weaviate", home=HOME) == WeaviateAddress(
        "weaviate", 8080, "weaviate", 50051, secure=False
    )
    address = parse_address("weaviate+http://127.0.0.1:8081?grpc=50052", home=HOME)
    assert (address.port, address.grpc_port, address.shown) == (8081, 50052, "weaviate+http://127.0.0.1:8081")


def test_a_cloud_cluster_may_have_a_host_of_its_own_for_grpc() -> None:
    address = parse_address("weaviate+https://name.example?grpc=443&grpc_host=grpc-name.example", home=HOME)
    assert address == WeaviateAddress("name.example", 443, "grpc-name.example", 443, secure=True)


def test_an_embedded_server_keeps_its_data_in_home_or_where_the_url_says() -> None:
    assert parse_address("weaviate+embedded://", home=HOME).folder == HOME / "weaviate"
    address = parse_address("weaviate+embedded:///var/weaviate?grpc=50060", home=HOME)
    assert (address.folder, address.host, address.grpc_port) == (Path("/var/weaviate"), "127.0.0.1", 50060)


@pytest.mark.parametrize(
    "url",
    [
        "weaviate+http://",
        "weaviate+http://host:port",
        "weaviate+http://host?grpc=many",
        "weaviate+http://host?grpc=",
        "weaviate+http://host?grpc=70000",
        "weaviate+http://host?grcp=50051",
        "weaviate+https://host?grpc=443",
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_forms_that_can(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address(url, home=HOME)
    assert "weaviate+http://host:8080?grpc=50051" in caught.value.advice


@pytest.mark.parametrize(
    "url", ["weaviate+http://key@host", "weaviate+http://:secret@host", "weaviate+http://h?key=secret"]
)
def test_a_key_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address(url, home=HOME)
    assert "secret" not in f"{caught.value.message} {caught.value.advice}"


def test_headers_are_read_by_name_and_stay_secret() -> None:
    headers = parse_headers(SecretStr("X-Token: a:b; X-Other-Name: value;"))
    assert {name: value.get_secret_value() for name, value in headers.items()} == {
        "X-Token": "a:b",
        "X-Other-Name": "value",
    }
    assert "a:b" not in repr(headers)
    assert parse_headers(None) == {}


@pytest.mark.parametrize("text", ["secret", "X Token: secret", ": secret", "X-Token:", "X-Token: sec\nret"])
def test_what_is_no_header_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_headers(SecretStr(text))
    assert "secret" not in f"{caught.value.message} {caught.value.advice}"
