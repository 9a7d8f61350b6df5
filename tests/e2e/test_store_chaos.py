"""`kill -9` of the ingest, of Weaviate or of PostgreSQL while documents change and somebody searches."""

from __future__ import annotations

import pytest

from tests.e2e.chaos import is_balanced
from tests.e2e.command import CommandLine
from tests.e2e.store_chaos import StoreChaos, draw_victims, running_company
from tests.e2e.stored import find_leftovers, find_unrecalled, read_stores

pytestmark = [pytest.mark.slow, pytest.mark.server]

ROUNDS = 3
SEED = 20261126


def test_a_kill_of_any_of_three_processes_loses_nothing_and_no_search_shows_what_it_must_not(
    shell: CommandLine, api_url: str
) -> None:
    with running_company(shell.set(PREFECT_API_URL=api_url), seed=SEED, documents=12) as company:
        chaos = StoreChaos(company, seed=SEED)
        for victim in draw_victims(ROUNDS, SEED):
            assert chaos.disturb(victim).faults == [], victim
        company.corpus.repair()
        company.asker.expect_change()
        assert is_balanced(company.shell.run("ingest", "--json").record)
        company.asker.expect_changed()
        clean = company.shell.set(
            EXPERTLOOP_HOME=str(shell.folder / "clean"), EXPERTLOOP_DATABASE_URL="", EXPERTLOOP_INDEX_URL=""
        )
        assert is_balanced(clean.run("ingest", "--json").record)
        assert read_stores(company.shell) == read_stores(clean)
        assert find_unrecalled(company.shell) == []
        assert find_leftovers(company.shell) == []
    assert company.asker.faults == []
    assert company.asker.answered > ROUNDS
