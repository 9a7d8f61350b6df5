"""The same data twice is one adapter; what is wrong with a dataset or a folder is told before and after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.answering.sentences import split_sentences
from tasks.errors import ArtifactCorrupt, BackendUnavailable, DatasetRejected, TrainingDiverged
from tasks.integrations.matplotlib import MatplotlibPlotter
from tasks.training.presets import make_config
from tasks.training.train import DatasetContent, TrainingPorts, read_trained, train_adapter
from tasks.training_models import TrainedAdapter
from tests.fakes.training import FakeTrainer, make_example

CONTENT = DatasetContent("dataset-1", [make_example(n) for n in range(9)], [make_example(90)], documents=10)


def train(home: Path, trainer: FakeTrainer, content: DatasetContent = CONTENT, **values: object) -> TrainedAdapter:
    ports = TrainingPorts(trainer, MatplotlibPlotter(), split_sentences)
    return train_adapter(content, make_config(values=values), ports, home=home, report=lambda _: None)


def test_the_same_data_twice_is_one_adapter_that_is_trained_once(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    first, second = train(tmp_path, trainer), train(tmp_path, trainer)
    assert first.is_new
    assert second == first.model_copy(update={"is_new": False})
    assert len(trainer.jobs) == 1
    other = train(tmp_path, trainer, rank=4)
    assert other.adapter_id != first.adapter_id
    same = train(tmp_path, trainer, micro_batch_examples=2)
    assert (same.adapter_id, same.is_new) == (first.adapter_id, False)


def test_the_folder_holds_the_adapter_its_curve_and_the_manifest_last(tmp_path: Path) -> None:
    trained = train(tmp_path, FakeTrainer())
    folder = tmp_path / trained.folder
    assert read_trained(folder) == trained
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "losses.json").read_text())["train"] == [[1, 0.5]]
    names = {"adapter_config.json", "adapter_model.safetensors", "loss.png", "losses.json", "training.json"}
    assert {file.name for file in folder.iterdir()} == names


def test_a_changed_weight_is_found(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    folder = tmp_path / train(tmp_path, trainer).folder
    (folder / "adapter_model.safetensors").write_text("other")
    with pytest.raises(ArtifactCorrupt, match=r"adapter_model\.safetensors of the training"):
        train(tmp_path, trainer)
    (folder / "training.json").write_text("{")
    with pytest.raises(ArtifactCorrupt, match="incomplete"):
        read_trained(folder)


@pytest.mark.parametrize("documents", [0, 1])
def test_a_dataset_of_fewer_than_two_documents_is_refused(tmp_path: Path, documents: int) -> None:
    trainer = FakeTrainer()
    with pytest.raises(DatasetRejected, match=f"rests on {documents} document"):
        train(tmp_path, trainer, CONTENT._replace(documents=documents))
    assert trainer.jobs == []


def test_an_empty_training_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetRejected, match="training split is empty"):
        train(tmp_path, FakeTrainer(), CONTENT._replace(train=[]))


def test_a_training_that_fails_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    def fail() -> None:
        raise TrainingDiverged("the loss of step 1 is not a number")

    with pytest.raises(TrainingDiverged):
        train(tmp_path, FakeTrainer(before=fail))
    assert train(tmp_path, FakeTrainer()).is_new


def test_a_folder_that_cannot_be_made_is_told_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "trainings").write_text("a file where a folder should be")
    with pytest.raises(BackendUnavailable, match="cannot be written") as caught:
        train(tmp_path, FakeTrainer())
    assert "goes on from the last checkpoint" in caught.value.advice


def test_examples_that_are_too_long_are_counted(tmp_path: Path) -> None:
    long = make_example(50).model_copy(update={"answer": "x" * 2000})
    trained = train(tmp_path, FakeTrainer(), CONTENT._replace(train=[*CONTENT.train, long]), unanswerable_share=0)
    assert trained.summary.left_out == 1


def test_a_plotter_draws_both_losses() -> None:
    with_validation = MatplotlibPlotter().draw_losses("t", [(1, 2.0), (2, 1.0)], [(2, 1.5)])
    assert with_validation != MatplotlibPlotter().draw_losses("t", [(1, 2.0), (2, 1.0)], [])
