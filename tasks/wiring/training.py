"""How adapters are trained."""

from __future__ import annotations

from functools import cached_property

from tasks.answering.sentences import split_sentences
from tasks.curation.snapshot import read_examples, read_manifest
from tasks.curation_models import Split
from tasks.training.train import DatasetContent, TrainingPorts, count_documents
from tasks.training_ports import AdapterTrainer
from tasks.wiring.curation import Curation


class Training(Curation):
    """The trainer and what it reads."""

    @cached_property
    def trainer(self) -> AdapterTrainer:
        """On this machine's device."""
        from tasks.integrations.qlora import QLoRATrainer

        return QLoRATrainer(cache=self.settings.cache)

    @property
    def training_ports(self) -> TrainingPorts:
        """What a training needs of the world."""
        from tasks.integrations.matplotlib import MatplotlibPlotter

        return TrainingPorts(self.trainer, MatplotlibPlotter(), split_sentences)

    def read_dataset(self, dataset_id: str) -> DatasetContent:
        """What is trained on, proved to be what was frozen.

        Raises:
            ConfigurationError: There is no such dataset.
            ArtifactCorrupt: Its files were changed.
        """
        dataset = self.datasets.find_dataset(self.settings.tenant, dataset_id)
        folder = self.settings.home / dataset.folder
        read_manifest(folder)
        splits = {split: read_examples(folder, split) for split in Split}
        documents = count_documents(splits)
        return DatasetContent(dataset.dataset_id, splits[Split.TRAIN], splits[Split.VALIDATION], documents)
