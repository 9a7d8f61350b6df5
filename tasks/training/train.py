"""From a dataset to an adapter's folder: what is learnt is decided first, the same data twice is trained once.

A folder `trainings/<adapter_id>` holds adapter_config.json, adapter_model.safetensors, loss.png, losses.json and,
written last, training.json with the hash of each: where it stands, the adapter is whole. Before, checkpoints lie there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.curation_models import Example, Split
from tasks.errors import ArtifactCorrupt, BackendUnavailable, DatasetRejected
from tasks.training.encode import EncodedSplit, encode_split, order_examples, take_tokens
from tasks.training_models import TrainedAdapter, TrainingConfig, derive_adapter_id
from tasks.training_ports import (
    AdapterTrainer,
    CurvePlotter,
    Report,
    SentenceSplitter,
    TrainingBase,
    TrainingJob,
    TrainingOutcome,
)

MANIFEST = "training.json"
_WEIGHTS = ("adapter_config.json", "adapter_model.safetensors")
_VALIDATED = 0.1
"""Tokens of one validation against those of the training: a short one must not spend its time on being watched."""

CURVE, _LOSSES = "loss.png", "losses.json"


class TrainingPorts(NamedTuple):
    """What a training needs of the world."""

    trainer: AdapterTrainer
    plotter: CurvePlotter
    split_sentences: SentenceSplitter


class DatasetContent(NamedTuple):
    """A dataset as it is read for a training; the test split is looked at by nobody here."""

    dataset_id: str
    train: Sequence[Example]
    validation: Sequence[Example]
    documents: int
    """Of all splits."""


class Prepared(NamedTuple):
    """A training that is decided."""

    adapter_id: str
    base: TrainingBase
    train: EncodedSplit
    validation: EncodedSplit
    order: list[int]

    @property
    def tokens(self) -> int:
        """Trained over all epochs, padding left out."""
        return sum(len(self.train.examples[place].tokens) for place in self.order)


def count_documents(splits: Mapping[Split, Sequence[Example]]) -> int:
    """Documents that the examples of all splits rest on."""
    return len({one.document_id for examples in splits.values() for example in examples for one in example.evidence})


def prepare_training(
    content: DatasetContent, config: TrainingConfig, base: TrainingBase, split_sentences: SentenceSplitter
) -> Prepared:
    """Decide what is learnt in which order.

    Raises:
        DatasetRejected: The dataset rests on fewer than two documents, or nothing of it can be trained on.
        ConfigurationError: The base model's tokenizer has no chat template.
    """
    if content.documents < 2:
        raise DatasetRejected(
            f"the dataset rests on {content.documents} document{'' if content.documents == 1 else 's'}, so nothing is "
            "held out that could show what was learnt",
            advice="approve pairs of other documents and take another snapshot: expertloop curate snapshot",
        )
    if not content.train:
        raise DatasetRejected(
            "the dataset's training split is empty", advice="approve more pairs: expertloop curate review"
        )
    train = encode_split(content.train, base, config, split_sentences)
    order = order_examples(train.examples, config)
    trained = sum(len(train.examples[place].tokens) for place in order)
    validation = encode_split(content.validation, base, config, split_sentences)
    return Prepared(
        adapter_id=derive_adapter_id(content.dataset_id, base.base_hash, config),
        base=base,
        train=train,
        validation=validation._replace(examples=take_tokens(validation.examples, round(_VALIDATED * trained))),
        order=order,
    )


def train_adapter(
    content: DatasetContent, config: TrainingConfig, ports: TrainingPorts, *, home: Path, report: Report
) -> TrainedAdapter:
    """Train an adapter, or find the one that was trained of the same data, base model and configuration.

    Raises:
        DatasetRejected: See `prepare_training`.
        TrainingDiverged: The loss is not a number; nothing is kept.
        BackendUnavailable: The disk is full or memory too small; run again, it goes on.
        ArtifactCorrupt: The adapter was trained before, and its files were changed.
    """
    base = ports.trainer.open_base(config.base_model)
    adapter_id = derive_adapter_id(content.dataset_id, base.base_hash, config)
    folder = home / "trainings" / adapter_id
    if (folder / MANIFEST).exists():
        return read_trained(folder).model_copy(update={"is_new": False})
    prepared = prepare_training(content, config, base, ports.split_sentences)
    job = TrainingJob(config, folder, prepared.train.examples, prepared.order, prepared.validation.examples)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explain_disk(folder, error) from error
    outcome = ports.trainer.train(job, report)
    trained = TrainedAdapter(
        adapter_id=adapter_id,
        dataset_id=content.dataset_id,
        base_hash=base.base_hash,
        folder=f"trainings/{adapter_id}",
        config=config,
        summary=outcome.summary.model_copy(update={"left_out": prepared.train.left_out}),
    )
    _write(folder, trained, outcome, ports.plotter)
    return trained


def read_trained(folder: Path) -> TrainedAdapter:
    """What a finished training left.

    Raises:
        ArtifactCorrupt: A file is missing or was changed.
    """
    advice = "remove the folder and train again"
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        trained = TrainedAdapter.model_validate(manifest["adapter"])
        wrong = [name for name, told in manifest["files"].items() if _hash_file(folder / name) != told]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactCorrupt(f"the training in {folder} is incomplete: {error}", advice=advice) from error
    if wrong:
        raise ArtifactCorrupt(f"{', '.join(wrong)} of the training in {folder} was changed", advice=advice)
    return trained


def _write(folder: Path, trained: TrainedAdapter, outcome: TrainingOutcome, plotter: CurvePlotter) -> None:
    title = f"{trained.config.base_model.rpartition('/')[2]}, adapter {trained.adapter_id[:8]}"
    try:
        (folder / CURVE).write_bytes(plotter.draw_losses(title, outcome.losses, outcome.validation_losses))
        losses = {"train": outcome.losses, "validation": outcome.validation_losses}
        (folder / _LOSSES).write_text(json.dumps(losses) + "\n", encoding="utf-8")
        files = {name: _hash_file(folder / name) for name in (*_WEIGHTS, CURVE, _LOSSES)}
        manifest = {"adapter": trained.model_dump(mode="json"), "files": files}
        scratch = folder / f".{MANIFEST}"
        scratch.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        scratch.rename(folder / MANIFEST)
    except OSError as error:
        raise _explain_disk(folder, error) from error


def _hash_file(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _explain_disk(folder: Path, error: OSError) -> BackendUnavailable:
    return BackendUnavailable(
        f"the training cannot be written to {folder}: {error.strerror or error}",
        advice="free space there and run it again: it goes on from the last checkpoint",
    )
