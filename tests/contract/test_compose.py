"""The container files: settings that exist, pinned images, secrets from outside, no open port."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.settings import Settings

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_watched_and_started_again(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":\d+\.\d+", service["image"]), service["image"]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_comes_from_outside_or_nothing_starts(name: str) -> None:
    for variable, value in SERVICES[name]["environment"].items():
        is_secret = variable.endswith(("PASSWORD", "AUTH_STRING", "_KEY", "_KEYS"))
        if is_secret or ("://" in value and "@" in value):
            assert ":?set it in .env}" in value, variable


def test_every_setting_in_the_files_exists() -> None:
    text = DOCKERFILE + (REPOSITORY / "compose.yaml").read_text()
    known = {f"EXPERTLOOP_{field.upper()}" for field in Settings.model_fields}
    named = set(re.findall(r"EXPERTLOOP_[A-Z_]+", text))
    assert named - known == set()
    assert "EXPERTLOOP_DATABASE_URL" in named


def test_the_image_is_run_by_an_ordinary_user_with_the_programs_of_system_packages() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["expertloop"]
    makefile = (REPOSITORY / "Makefile").read_text()
    programs = set(re.findall(r"(?:tesseract|libreoffice)[a-z-]+", makefile))
    assert programs <= set(re.findall(r"(?:tesseract|libreoffice)[a-z-]+", DOCKERFILE))
    assert "--require-hashes" in DOCKERFILE
