"""Does the gate tell real trainings apart? TeleQuAD: right answers, shuffled answers, and seeds against each other.

    python -m bench.gate_seeds FOLDER HOME [--tokens 60000] [--questions 120] [--seeds 3] [--resamples 20]

FOLDER and HOME as of bench/telequad.py, whose documents, pairs and settings these are. Every seed is trained twice,
once with the answers of the training split dealt out anew among its questions, and judged against the base model with
passages by the product's own comparison and gate. Then each of them is judged against each other right one as the
champion, on --resamples test sets drawn by document with replacement: around the difference that these two have on
these questions, so twenty of them are one observation. Killed, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.telequad import environment, prepare, run
from tasks.arm_models import ArmResult
from tasks.curation_models import Example
from tasks.evaluation.arms import sample_examples
from tasks.evaluation.arms_report import Judged, report_arms
from tasks.evaluation.tasks import ArmModels, ArmsRequest, ask_arm, decide_promotion, probe_forgetting, probe_reading
from tasks.integrations.processor import describe_processor
from tasks.ports import Generator
from tasks.settings import Settings
from tasks.training.presets import make_config
from tasks.training.train import DatasetContent, train_adapter
from tasks.training_models import ArmName, Forgetting, GateDecision, Reading, TrainingConfig
from tasks.training_ports import TrainingProgress
from tasks.wiring import Application

RESAMPLES = 1000
CHANGES = {"passages": 2, "layers_share": 0.5, "max_example_tokens": 640}


class Trained(NamedTuple):
    """One adapter, and what it says to the test questions with passages."""

    name: str
    results: Sequence[ArmResult]
    forgetting: Forgetting | None
    reading: Reading | None


def main() -> None:
    """Train what is missing, judge, and print a line a decision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("home", type=Path)
    parser.add_argument("--tokens", type=int, default=60_000, help="of a training")
    parser.add_argument("--questions", type=int, default=120, help="of a test set")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--resamples", type=int, default=20, help="test sets that two right seeds are judged on")
    arguments = parser.parse_args()
    home = arguments.home.absolute()
    prepare(arguments.folder, home)
    run(home, "curate", "snapshot")
    os.environ |= environment(home)
    app = Application(Settings())
    dataset = app.find_dataset(None)
    content = app.read_dataset(dataset.dataset_id)
    examples = sample_examples(app.read_test_examples(dataset), arguments.questions)
    base = app.base_generator()
    print(f"{describe_processor()}; {len(content.train)} pairs to learn, {len(examples)} test questions", flush=True)
    rival = ask_arm(app, "base+rag", examples, base, with_passages=True, request=ArmsRequest())
    everyone, right = [], []
    for seed, is_right in itertools.product(range(1, arguments.seeds + 1), (True, False)):
        config = make_config(values=CHANGES | {"seed": seed, "max_tokens": arguments.tokens})
        learnt = content if is_right else shuffle(content, seed)
        trained = train(app, learnt, config, examples, base)
        tell(trained.name, judge(app, trained, "base+rag", rival))
        everyone.append(trained)
        right += [trained] * is_right
    random = np.random.default_rng(0)
    for champion, candidate in itertools.product(right, everyone):
        if candidate is champion:
            continue
        said: Counter[str] = Counter()
        for _ in range(arguments.resamples):
            before, after = resample(champion.results, candidate.results, random)
            decision = judge(app, candidate._replace(results=after), "champion+rag", before)
            said[f"{decision.decision} ({decision.reasons[0].partition(':')[0]})"] += 1
        print(f"{candidate.name} against {champion.name}, {arguments.resamples} test sets: {dict(said)}", flush=True)


def shuffle(content: DatasetContent, seed: int) -> DatasetContent:
    """The answers that have evidence dealt out anew among the questions that do."""
    places = [place for place, one in enumerate(content.train) if one.answerable]
    dealt = np.random.default_rng(seed).permutation(places)
    answers = {place: content.train[other].answer for place, other in zip(places, dealt, strict=True)}
    train: list[Example] = [
        one.model_copy(update={"answer": answers.get(place, one.answer)}) for place, one in enumerate(content.train)
    ]
    return content._replace(dataset_id=f"{content.dataset_id}-shuffled", train=train)


def train(
    app: Application, content: DatasetContent, config: TrainingConfig, examples: Sequence[Example], base: Generator
) -> Trained:
    """An adapter, its answers, and what it forgot; each is found where it was made before."""
    name = f"{'shuffled' if content.dataset_id.endswith('-shuffled') else 'right'}, seed {config.seed}"

    def report(progress: TrainingProgress) -> None:
        if progress.step % 10 == 0:
            print(f"  {name}: {progress}", flush=True)

    with app.hold_devices(1):
        trained = train_adapter(content, config, app.training_ports, home=app.settings.home, report=report)
    tuned = app.candidate_generator(trained)
    results = ask_arm(app, "tuned+rag", examples, tuned, with_passages=True, request=ArmsRequest())
    models = ArmModels(base, tuned, adapter_id=trained.adapter_id)
    request = ArmsRequest()
    forgetting, reading = probe_forgetting(app, models, request), probe_reading(app, models, examples, request)
    return Trained(name, results, forgetting, reading)


def judge(app: Application, trained: Trained, arm: ArmName, rival: Sequence[ArmResult]) -> GateDecision:
    """The product's decision on an adapter against whoever serves."""
    champion = "champion" if arm == "champion+rag" else None
    judged = Judged("telequad", trained.name, champion, trained.forgetting, trained.reading)
    results: dict[ArmName, Sequence[ArmResult]] = {arm: rival, "tuned+rag": trained.results}
    return decide_promotion(app, report_arms(judged, results, resamples=RESAMPLES))


def resample(
    before: Sequence[ArmResult], after: Sequence[ArmResult], random: np.random.Generator
) -> tuple[list[ArmResult], list[ArmResult]]:
    """Both on a test set of as many documents, drawn with replacement; one drawn twice is two documents."""
    documents = sorted({one.cluster for one in before})
    drawn = random.choice(documents, len(documents))
    pairs = [
        tuple(one._replace(pair_id=f"{turn} {one.pair_id}", cluster=f"{turn} {document}") for one in both)
        for turn, document in enumerate(drawn)
        for both in zip(before, after, strict=True)
        if both[0].cluster == document
    ]
    return [first for first, _ in pairs], [second for _, second in pairs]


def tell(name: str, decision: GateDecision) -> None:
    """The decision and what it rests on."""
    print(f"{name} against base+rag: {decision.decision}", flush=True)
    for reason in decision.reasons:
        print(f"    {reason}", flush=True)


if __name__ == "__main__":
    main()
