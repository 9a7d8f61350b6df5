"""`expertloop keys` and `expertloop serve`: what is mistyped is said in our words, before anything is done."""

from __future__ import annotations

import pytest

from expertloop.keys import add, revoke
from expertloop.serve import serve
from tasks.errors import ConfigurationError
from tests.integration.world import World


@pytest.mark.parametrize("meant", ["service,management", "service, management"])
def test_groups_in_one_option_are_refused_with_the_options_that_were_meant(world: World, meant: str) -> None:
    with pytest.raises(ConfigurationError, match="one group") as caught:
        add(principal="anna", group=[meant])
    assert "--group service --group management" in caught.value.advice
    assert world.keys.list_keys("default") == []


def test_a_directorys_group_may_hold_commas(world: World) -> None:
    add(principal="anna", group=["CN=service,DC=acme,DC=example"])
    (key,) = world.keys.list_keys("default")
    assert key.groups == ("CN=service,DC=acme,DC=example",)


@pytest.mark.parametrize("key_id", ["", "unknown"])
def test_a_key_that_is_not_there_is_named(world: World, key_id: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no valid key of '{key_id}'"):
        revoke(key_id)


@pytest.mark.parametrize("host", ["x..y", "x" * 64])
def test_what_is_no_host_is_said_without_a_traceback(world: World, host: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot listen") as caught:
        serve(host=host, port=0)
    assert "--host" in caught.value.advice
