"""A dataset judged in all arms over a real database: resumed, reported, decided, advised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.curation.snapshot import derive_dataset_id
from tasks.curation_models import Dataset, Example, Split
from tasks.errors import ArtifactCorrupt, ConfigurationError
from tasks.evaluation.arms_card import list_intervals, list_short_rows, write_arms_card
from tasks.evaluation.forgetting import read_questions, read_texts
from tasks.evaluation.tasks import ArmModels, ArmsRequest, advise, decide_promotion, evaluate_arms
from tasks.evaluation_ports import LikelihoodScorer
from tasks.integrations.database.arms_schema import arm_answers
from tasks.ports import Generator
from tasks.prompting import REFUSAL
from tasks.settings import Settings
from tasks.wiring import Application
from tests.fakes.arms import FakeLikelihood, make_example
from tests.fakes.generator import FakeGenerator

EXAMPLES = [make_example(n) for n in range(70)] + [make_example(n, answerable=False) for n in range(70, 90)]
TEST_FILE = f"{Split.TEST}.jsonl"
ANSWERS = {f"How high does pump {n} lift?": f"Pump {n} lifts {n + 1} metres" for n in range(70)}
GENERAL = {one.question: one.answers[0] for one in read_questions()}


class JudgingApplication(Application):
    """With likelihoods of fake models."""

    def likelihood_of(self, generator: Generator) -> LikelihoodScorer:
        return FakeLikelihood(2.0)


def name_model(identity: str, reply: Callable[[str], str]) -> FakeGenerator:
    generator = FakeGenerator(reply)
    generator.identity = identity
    return generator


def know_nothing(prompt: str) -> str:
    return GENERAL.get(prompt, "I am a small model and do not know.")


def read_passages(prompt: str) -> str:
    """Right, with a mark, where the passage is shown; silent elsewhere."""
    question = prompt.rpartition("Question: ")[2]
    answer = ANSWERS.get(question)
    if answer and answer in prompt:
        return f"{answer} [1]."
    return GENERAL.get(prompt, REFUSAL["en"])


@pytest.fixture
def app(tmp_path: Path) -> JudgingApplication:
    wired = JudgingApplication(Settings(home=tmp_path / "home", generator="none"))
    add_dataset(wired, EXAMPLES)
    return wired


def add_dataset(app: Application, examples: Sequence[Example]) -> Path:
    lines = "".join(one.model_dump_json() + "\n" for one in examples)
    sha256 = hashlib.sha256(lines.encode()).hexdigest()
    manifest = {"format": "1", "tenant": "default", "options": {}, "files": {TEST_FILE: {"sha256": sha256}}}
    dataset_id = derive_dataset_id(manifest, {TEST_FILE: sha256})
    folder = app.settings.home / "datasets" / dataset_id
    folder.mkdir(parents=True)
    file = folder / TEST_FILE
    file.write_text(lines)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    dataset = Dataset(
        dataset_id=dataset_id, tenant="default", scope="everyone", counts={"test": len(examples)},
        created_at=datetime.now(UTC), folder=f"datasets/{dataset_id}",
    )  # fmt: skip
    app.datasets.add_dataset(dataset, manifest, {})
    return file


ALL = ArmsRequest(resamples=500)


def make_models(**changes: object) -> ArmModels:
    base, tuned = name_model("base@1", know_nothing), name_model("tuned@1", read_passages)
    return ArmModels(base, tuned, adapter_id="adapter-1")._replace(**changes)  # type: ignore[arg-type]


def test_a_candidate_that_learned_to_read_is_promoted_and_advised(app: JudgingApplication) -> None:
    report = evaluate_arms(app, make_models(), ALL)
    assert {arm: score.f1 for arm, score in report.arms.items()} | {"base": 0, "base+rag": 0, "tuned": 0} == (
        {"base": 0, "base+rag": 0, "tuned": 0, "tuned+rag": 1.0}
    )
    best = report.arms["tuned+rag"]
    assert (best.citation_precision, best.refusal_recall, best.wrong_on_unanswerable, best.supported) == (1, 1, 0, 1)
    assert report.forgetting is not None
    assert (report.forgetting.questions, report.forgetting.drop) == (len(GENERAL), 0)
    assert report.reading is not None
    assert (report.reading.questions, report.reading.difference) == (48, 0)  # the fake models are equally surprised
    decision = decide_promotion(app, report)
    assert decision.decision == "promote", decision.reasons
    advice = advise(app)
    assert advice.recommendation == "both"
    assert all(any(character.isdigit() for character in sentence) for sentence in advice.sentences)


def test_judging_again_asks_no_model(app: JudgingApplication) -> None:
    first = evaluate_arms(app, make_models(), ALL)
    again = make_models()
    assert evaluate_arms(app, again, ALL) == first
    for model in (again.base, again.tuned):
        assert isinstance(model, FakeGenerator)
        assert model.prompts == []


def test_another_adapter_asks_the_base_model_nothing(app: JudgingApplication) -> None:
    evaluate_arms(app, make_models(), ALL)
    other = make_models(tuned=name_model("other@1", know_nothing), adapter_id="adapter-2")
    report = evaluate_arms(app, other, ALL)
    assert isinstance(other.base, FakeGenerator)
    assert other.base.prompts == []
    assert decide_promotion(app, report).decision == "reject"
    assert advise(app).recommendation == "rag"


def test_a_champion_has_an_arm_and_without_one_there_is_none(app: JudgingApplication) -> None:
    few = ALL._replace(max_questions=5)
    assert "champion+rag" not in evaluate_arms(app, make_models(), few).arms
    champion = make_models(champion=name_model("champion@1", read_passages), champion_id="adapter-0")
    report = evaluate_arms(app, champion, few)
    assert report.arms["champion+rag"].questions == 5
    assert decide_promotion(app, report).decision == "not-enough-evidence"
    assert advise(app).recommendation == "not-enough-evidence"


def test_the_base_model_alone_is_judged_without_a_probe(app: JudgingApplication) -> None:
    report = evaluate_arms(app, ArmModels(name_model("base@1", know_nothing)), ALL._replace(max_questions=5))
    assert list(report.arms) == ["base", "base+rag"]
    assert (report.forgetting, report.reading, report.adapter_id, report.differences) == (None, None, None, ())
    assert app.arms.find_report("default") is None


def test_a_dataset_changed_by_hand_is_refused(app: JudgingApplication) -> None:
    file = add_dataset(app, EXAMPLES[:3])
    file.write_text(file.read_text().replace("metres", "miles"))
    with pytest.raises(ArtifactCorrupt, match="was changed"):
        evaluate_arms(app, make_models(), ALL._replace(dataset=file.parent.name))


def test_nothing_to_ask_is_an_error_that_says_what_to_do(app: JudgingApplication, tmp_path: Path) -> None:
    blank = add_dataset(app, []).parent.name
    with pytest.raises(ConfigurationError, match="no test question"):
        evaluate_arms(app, make_models(), ALL._replace(dataset=blank))
    empty = Application(Settings(home=tmp_path / "empty", generator="openai"))
    with pytest.raises(ConfigurationError, match="no dataset"):
        evaluate_arms(empty, make_models(), ALL)
    with pytest.raises(ConfigurationError, match="a model in this process"):
        empty.base_generator()
    assert advise(empty).recommendation == "not-enough-evidence"


def test_the_card_and_the_picture_show_every_arm(app: JudgingApplication) -> None:
    report = evaluate_arms(app, make_models(), ALL._replace(max_questions=20))
    card = write_arms_card(report, decide_promotion(app, report))
    for said in ("| tuned+rag | 1.000 |", "## Gate: not-enough-evidence", "20 test questions", "perplexity"):
        assert said in card
    assert "Gate" not in write_arms_card(report, None)
    assert list_short_rows(report)[-1][:2] == ("tuned+rag", "1.000")
    picture = app.plotter.draw_intervals("f1", "f1", list_intervals(report))
    assert picture.startswith(b"\x89PNG")
    assert set(list_intervals(report)) == {"base", "base+rag", "tuned", "tuned+rag"}


def test_the_probe_has_a_hundred_questions_in_two_languages_and_texts_in_both() -> None:
    questions = read_questions()
    assert len(questions) >= 100
    assert len({one.question for one in questions}) == len({one.id for one in questions}) == len(questions)
    assert min(sum(one.language == language for one in questions) for language in ("en", "de")) >= 50
    assert len(read_texts()) >= 8
    assert read_questions(20) == questions[:20]


def test_an_answer_that_is_stored_says_whose_question_it_is(app: JudgingApplication) -> None:
    """An erasure looks for answers by pair."""
    evaluate_arms(app, make_models(), ALL._replace(max_questions=3))
    with app.database.read() as connection:
        found = {row.pair_id for row in connection.execute(arm_answers.select())}
    asked = {name for name in found if name.startswith("pair-")}
    assert len(asked) == 3
