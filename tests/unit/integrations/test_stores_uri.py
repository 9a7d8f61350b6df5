"""An object in a bucket has the address that its source has: a store of two names is called as the user calls it."""

import pytest

from tasks.integrations.stores import open_store, write_uri

AZURE = {"account_name": "a", "account_key": "a2V5"}


@pytest.mark.parametrize(
    ("url", "options", "module", "uri"),
    [
        ("az://company/docs", AZURE, "adlfs", "az://company/docs/a.md"),
        ("abfs://company/docs", AZURE, "adlfs", "abfs://company/docs/a.md"),
        ("s3a://company/docs", {}, "s3fs", "s3a://company/docs/a.md"),
        ("memory://company/docs", {}, "fsspec", "memory:///company/docs/a.md"),
    ],
)
def test_an_address_keeps_the_scheme_of_its_source(url: str, options: dict[str, str], module: str, uri: str) -> None:
    pytest.importorskip(module)
    store, root = open_store(url, options)
    assert write_uri(url, store, f"{root}/a.md") == uri
