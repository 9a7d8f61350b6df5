"""The report: complete, self-contained, and safe whatever a document says."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from tasks.answer_models import Question
from tasks.errors import ConfigurationError
from tasks.evaluation.judge import Judge
from tasks.evaluation.report import write_report
from tasks.evaluation.summary import summarise
from tasks.evaluation_models import JudgedAnswer
from tasks.integrations.matplotlib import MatplotlibPlotter
from tests.unit.evaluation.cases import LIBRARY, Texts, make_answer, make_question

HOSTILE = '<script>alert("x")</script> | ![p](http://evil) **bold** \n# Heading'


def report(folder: Path, **extra: Any) -> dict[str, str]:
    gold = make_question(id="q|1", question=f"How? {HOSTILE}", answers=["4 m"], documents=["a.txt"])
    answer = make_answer(f"{HOSTILE} [1]", ("a", "Pump P7 lifts 3.0 m."))
    result: JudgedAnswer = Judge(LIBRARY, Texts(), depth=10).judge(gold, Question(text=gold.text), [], answer)
    record = summarise([result]) | {
        "run_id": "r", "questions_file": "q_<b>.jsonl", "collection": "c", "generator": "none",
        "unmatched": {"unknown": ["<i>.pdf"], "ambiguous": []}, **extra,
    }  # fmt: skip
    record["latency"]["batch"] = 32
    write_report(folder, record, [result], plotter=MatplotlibPlotter())
    return {name: (folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md")}


def test_a_report_names_each_wrong_answer_with_its_citation_and_gold(tmp_path: Path) -> None:
    for text in report(tmp_path / "new" / "folder").values():
        assert "Wrong answers (1)" in text
        assert "4 m" in text
        assert "lifts 3" in text
        assert "wrong" in text


def test_what_documents_say_is_data_in_html_and_markdown(tmp_path: Path) -> None:
    pages = report(tmp_path)
    assert "<script>" not in pages["report.html"] + pages["report.md"]
    assert "<b>" not in pages["report.html"] + pages["report.md"]
    assert "\n# Heading" not in pages["report.md"]
    assert "![p]" not in pages["report.md"]


def test_the_html_holds_its_pictures_and_loads_nothing(tmp_path: Path) -> None:
    page = report(tmp_path)["report.html"]
    assert page.count("src=") == page.count('src="data:image/png;base64,') == 2
    assert "http://" not in page.replace("http://evil", "")


@pytest.mark.parametrize("name", ["outcomes.png", "latency.png"])
def test_pictures_are_files_too(tmp_path: Path, name: str) -> None:
    report(tmp_path)
    content = (tmp_path / name).read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert content.startswith(b"\x89PNG")
    assert width > height > 100


def test_a_comparison_is_a_table_of_the_report(tmp_path: Path) -> None:
    one = {"before": 0.5, "after": None, "difference": None, "low": None, "high": None, "verdict": "undecided"}
    pages = report(tmp_path, comparison={"before": "earlier", "questions": 7, "metrics": {"em": one}})
    for text in pages.values():
        assert "Compared with earlier over 7 questions" in text
        assert "undecided" in text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot write the report"):
        report(tmp_path / "file" / "folder")
