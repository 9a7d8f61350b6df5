"""Does the gate promote by luck? Simulated trainings, the real comparison and the real decision.

    python bench/gate.py [--rounds 5] [--resamples 20] [--questions 100]

A question is about a document; how hard both are is drawn once. A model answers it well or badly by chance: two
trainings of the same quality differ only in that. Each pair of models is judged on samples of the questions, drawn by
document with replacement. "equal": the candidate is as good as the champion. "shuffled": it learned wrong answers.
"learned": F1 from about .2 to about .4, as TeleQuAD's 480 examples did. No model is asked: real seeds are measured
where adapters are trained.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.random import Generator as Random
from numpy.typing import NDArray

from tasks.arm_models import ArmResult
from tasks.evaluation.arms_report import Judged, report_arms
from tasks.evaluation.gate import decide_promotion
from tasks.evaluation_models import Share
from tasks.training_models import Forgetting, Reading

POOL = 300
"""Questions there are; a test set is drawn from them."""
A_DOCUMENT = 4
UNANSWERABLE = 0.15
PROBE = 120
RESAMPLES = 1000


class World(NamedTuple):
    """The questions, and how hard each is."""

    hardness: NDArray[np.float64]
    unanswerable: NDArray[np.bool_]

    @classmethod
    def draw(cls, random: Random) -> World:
        """Questions of documents, some of them without an answer."""
        documents = np.repeat(random.normal(0, 0.7, POOL // A_DOCUMENT), A_DOCUMENT)
        return cls(documents + random.normal(0, 1.2, POOL), random.random(POOL) < UNANSWERABLE)


class Model(NamedTuple):
    """What one training says to every question."""

    f1: NDArray[np.float64]
    cites: NDArray[np.float64]
    wrong: NDArray[np.float64]

    @classmethod
    def train(cls, random: Random, world: World, *, skill: float) -> Model:
        """One training: equal skill is equal quality."""
        chance = 1 / (1 + np.exp(world.hardness - skill))
        right = random.random(POOL) < chance
        f1 = np.where(right, random.uniform(0.6, 1, POOL), random.uniform(0, 0.2, POOL))
        cites = (random.random(POOL) < 0.3 + 0.5 * chance).astype(float)
        return cls(f1, cites, (random.random(POOL) < 0.5).astype(float))


def main() -> None:
    """Print how often the gate said what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of trainings")
    parser.add_argument("--resamples", type=int, default=20, help="test sets a pair is judged on")
    parser.add_argument("--questions", type=int, default=100, help="in a test set")
    arguments = parser.parse_args()
    kinds = {"equal": (0.0, 0.0), "shuffled": (-1.5, -6.0), "learned": (-1.5, 0.0)}
    for kind, (before, after) in kinds.items():
        decisions: Counter[str] = Counter()
        most = 0
        for seed in range(arguments.rounds):
            found = judge_pair(seed, before, after, arguments.resamples, arguments.questions)
            most = max(most, found["promote"])
            decisions += found
        total = decisions.total()
        said = ", ".join(f"{name} {count}" for name, count in sorted(decisions.items()))
        print(f"{kind:9} {total} decisions: {said}; most promotions of one pair: {most} of {arguments.resamples}")


def judge_pair(seed: int, before: float, after: float, resamples: int, questions: int) -> Counter[str]:
    """The decisions on one pair of trainings."""
    random = np.random.default_rng(seed)
    world = World.draw(random)
    champion, candidate = (Model.train(random, world, skill=skill) for skill in (before, after))
    return Counter(decide(random, world, champion, candidate, questions) for _ in range(resamples))


def decide(random: Random, world: World, champion: Model, candidate: Model, questions: int) -> str:
    """The gate on one test set."""
    drawn = random.integers(0, POOL // A_DOCUMENT, questions // A_DOCUMENT)
    places = [(turn, document * A_DOCUMENT + n) for turn, document in enumerate(drawn) for n in range(A_DOCUMENT)]
    flips = random.binomial(PROBE, 0.05, 2) / PROBE
    drop = float(flips[0] - flips[1])
    forgetting = Forgetting(
        questions=PROBE, base=0.5, tuned=0.5 - drop, drop=drop, low=drop - 0.04, high=drop + 0.04,
        base_perplexity=20, tuned_perplexity=22,
    )  # fmt: skip
    reading = Reading(questions=48, documents=48, base=40, tuned=40, difference=0, low=-1, high=1)
    results = {"champion+rag": champion, "tuned+rag": candidate}
    arms = {arm: [make_result(world, model, *place) for place in places] for arm, model in results.items()}
    report = report_arms(Judged("d", "a", "c", forgetting, reading), arms, resamples=RESAMPLES)  # type: ignore[arg-type]
    return decide_promotion(report).decision


def make_result(world: World, model: Model, turn: int, place: int) -> ArmResult:
    """One question of a test set; a document drawn twice is two documents."""
    language = f"language={'de' if place // A_DOCUMENT % 3 == 0 else 'en'}"
    if world.unanswerable[place]:
        scores = {"wrong_on_unanswerable": Share(model.wrong[place], 1)}
    else:
        cites = Share(model.cites[place], 1)
        scores = {"f1": Share(model.f1[place], 1), "citation_precision": cites, "citation_recall": cites}
    return ArmResult(f"{turn} {place}", scores, f"document {turn}", (language,))


if __name__ == "__main__":
    main()
