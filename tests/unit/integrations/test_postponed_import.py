from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest

from tasks.integrations.postponed_import import postpone_import

CODE = """
import sys
sys.loads = getattr(sys, "loads", 0) + 1
from postponed_sample import part
missing = getattr(sys.modules["postponed_sample"], "nothing", "absent while loading")
value = part.value + 1
"""


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "postponed_sample"
    package.mkdir()
    (package / "__init__.py").write_text(CODE)
    (package / "part.py").write_text("value = 41")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "loads", 0, raising=False)
    for name in ("postponed_sample", "postponed_sample.part"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    postpone_import("postponed_sample")
    return "postponed_sample"


def count_loads() -> int:
    return int(vars(sys)["loads"])


def test_a_package_loads_when_its_first_attribute_is_asked_for(sample: str) -> None:
    postponed_sample = importlib.import_module(sample)

    assert count_loads() == 0
    assert (postponed_sample.value, postponed_sample.missing) == (42, "absent while loading")
    assert count_loads() == 1
    with pytest.raises(AttributeError):
        postponed_sample.nothing  # noqa: B018


def test_a_submodule_does_not_load_its_package(sample: str) -> None:
    part = importlib.import_module(f"{sample}.part")
    assert (part.value, count_loads()) == (41, 0)


def test_threads_asking_at_once_all_see_the_whole_package(sample: str) -> None:
    postponed_sample = importlib.import_module(sample)

    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(postponed_sample.value)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (seen, count_loads()) == ([42] * 8, 1)


def test_what_is_loaded_or_not_installed_is_left_alone() -> None:
    before = sys.modules["pathlib"]
    postpone_import("pathlib")
    postpone_import("no_such_package_anywhere")
    assert sys.modules["pathlib"] is before
    assert "no_such_package_anywhere" not in sys.modules
