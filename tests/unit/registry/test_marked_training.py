"""A dataset whose text was erased is trained on by nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.erasure_models import DatasetMark
from tasks.errors import DatasetRejected
from tasks.integrations.database.engine import Database
from tasks.settings import Settings
from tasks.wiring import Application
from tests.databases import on_sqlite_alone
from tests.fakes.curation import CuratedWorld
from tests.fakes.datasets import fill, take


@on_sqlite_alone
def test_a_marked_dataset_is_not_trained_on(database: Database, tmp_path: Path) -> None:
    home = tmp_path / "home"
    world = CuratedWorld(database)
    fill(world)
    dataset_id = take(world, home).dataset.dataset_id
    app = Application(Settings(home=home))
    content = app.read_dataset(dataset_id)
    victim = content.train[0]
    subject = app.find_subject(victim.evidence[0].document_id)
    assert dataset_id in app.find_datasets_with(subject)
    certificate = app.erase(subject)
    assert certificate.datasets == (dataset_id,)
    assert {one.store for one in certificate.cleaned} == {"database", f"dataset {dataset_id}"}
    (listed,) = app.datasets.list_datasets("default")
    assert listed.counts["train"] == len(content.train) - 1
    with pytest.raises(DatasetRejected, match="text of an erased document was in it"):
        app.read_dataset(dataset_id)
    assert app.list_marks() == {dataset_id: DatasetMark(dataset_id, "erased", "text of an erased document was in it")}
    assert app.list_marks("another") == {}
    app.erasures.replace_narrowed("default", [], datetime.now(UTC))
    assert set(app.list_marks()) == {dataset_id}
