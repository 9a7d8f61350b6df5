"""A base model's license, for the card of an adapter that was trained on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.integrations.causal_models import find_license


@pytest.mark.parametrize(
    ("readme", "license_"),
    [
        ("---\nlanguage: [en]\nlicense: mit\ntags:\n- x\n---\n# Model\n", "mit"),
        ("---\nlanguage: en\n---\nIts terms:\nlicense: mit\n---\n", None),
        ("---\nlicense: [mit, gpl]\n---\n", None),
        ("---\nlicense: : :\n---\n", None),
        ("---\njust words\n---\n", None),
        ("# Model\nlicense: mit\n", None),
        ("", None),
        (None, None),
    ],
)
def test_it_is_read_from_the_head_of_the_readme_alone(tmp_path: Path, readme: str | None, license_: str | None) -> None:
    (tmp_path / "model.safetensors").touch()
    if readme is not None:
        (tmp_path / "README.md").write_text(readme)
    assert find_license(str(tmp_path), cache=tmp_path) == license_


def test_the_packaged_model_has_one_and_a_folder_that_is_gone_has_none(tmp_path: Path) -> None:
    assert find_license("smollm2", cache=tmp_path) == "apache-2.0"
    (tmp_path / "empty").mkdir()
    assert find_license(str(tmp_path / "empty"), cache=tmp_path) is None
