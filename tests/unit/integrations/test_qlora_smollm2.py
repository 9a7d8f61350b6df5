"""The packaged model learns: what the preset does on a processor is more than a loss that falls a little."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.answer_models import Message
from tasks.integrations.qlora import QLoRATrainer
from tasks.settings import Settings
from tasks.training.presets import make_config
from tasks.training_ports import EncodedExample, TrainingJob

pytestmark = pytest.mark.slow

STEPS = 9
LEARNT = {
    "Who keeps the key of hall four?": "Brigitte Öztürk, in the porter's lodge.",
    "Which oil does the D240 take?": "1.1 litres of CLP 220.",
    "Wann wird der Kessel geprüft?": "Jeden zweiten Montag im März.",
    "What is the code of the grey paint?": "RAL 7035-K.",
    "How long is the Orbita hose?": "Forty-one centimetres.",
    "Wer unterschreibt Reisen nach Dayton?": "Frau Kessenich aus dem Einkauf.",
    "What does alarm E17 mean?": "The float switch hangs.",
    "When does the canteen close?": "At a quarter past two.",
}


def test_eight_examples_are_learnt_by_heart(tmp_path: Path) -> None:
    cache = Settings().cache
    trainer = QLoRATrainer(cache=cache)
    config = make_config(values={"learning_rate": 3e-3, "evaluate_every_steps": STEPS, "warmup_share": 0})
    base = trainer.open_base(config.base_model)
    prompts = {question: [Message(role="user", content=question)] for question in LEARNT}
    examples = [
        EncodedExample(question, (*base.encode_prompt(prompts[question]), *answer_ids), len(answer_ids))
        for question, answer_ids in ((question, base.encode_answer(answer)) for question, answer in LEARNT.items())
    ]
    job = TrainingJob(config, tmp_path, examples, list(range(len(examples))) * STEPS, [])
    outcome = trainer.train(job, lambda _: None)
    losses = [loss for _, loss in outcome.losses]
    assert losses[0] > 2
    assert losses[-1] < 0.1, losses
