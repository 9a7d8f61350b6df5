"""How adapters are trained."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property

from tasks.answering.sentences import split_sentences
from tasks.curation.snapshot import read_examples, read_manifest
from tasks.curation_models import Split
from tasks.errors import ConfigurationError, DeviceBusy
from tasks.integrations.devices import MachineDevices
from tasks.settings import find_visible_devices, use_devices
from tasks.training.devices import describe_device
from tasks.training.plan import Machine, plan_training
from tasks.training.presets import PRESETS, make_config
from tasks.training.train import DatasetContent, TrainingPorts, count_documents, prepare_training
from tasks.training_models import Device, TrainingConfig, TrainingPlan
from tasks.training_ports import AdapterTrainer, DeviceFinder, TrainingProgress
from tasks.wiring.curation import Curation

logger = logging.getLogger(__name__)


class Training(Curation):
    """The trainer and what it reads."""

    @cached_property
    def trainer(self) -> AdapterTrainer:
        """On this machine's device."""
        from tasks.integrations.qlora import QLoRATrainer

        return QLoRATrainer(cache=self.settings.cache)

    @cached_property
    def device_finder(self) -> DeviceFinder:
        """Of this machine."""
        return MachineDevices(find_visible_devices())

    @contextmanager
    def hold_devices(self, count: int) -> Iterator[tuple[Device, ...]]:
        """The free devices with the most free memory, for us alone, and the only GPUs that torch will see.

        Args:
            count: Of GPUs; a processor is one device, however many processes share it.

        Raises:
            DeviceBusy: Others hold too many of them.
            ConfigurationError: There are not so many.
        """
        with ExitStack() as held:
            devices = self._take_devices(held, count)
            if devices[0].kind == "cuda":
                use_devices(device.device_id for device in devices)
            for device in devices:
                logger.info("device taken %s", describe_device(device))
            yield devices

    def _take_devices(self, held: ExitStack, count: int) -> tuple[Device, ...]:
        found = self.device_finder.list_devices()
        wanted = count if found[0].kind == "cuda" else 1
        if len(found) < wanted:
            raise ConfigurationError(
                f"the training wants {wanted} GPUs, and {len(found)} can be seen here",
                advice="set devices to as many, or use a preset for one device: docs/train.md",
            )
        taken: list[Device] = []
        for device in found:
            with suppress(DeviceBusy):
                held.enter_context(self.leases.hold(f"device {device.device_id}"))
                taken.append(device)
            if len(taken) == wanted:
                return tuple(taken)
        raise DeviceBusy(
            f"{len(taken)} of {len(found)} devices of this machine are free, and the training wants {wanted}",
            advice="it is tried again by itself when another training has ended",
        )

    def list_fitting_presets(self, dataset_id: str, device: Device) -> Iterator[str]:
        """Presets whose base model is here and whose plan for the dataset fits into the device."""
        for preset in PRESETS:
            if self._fits(dataset_id, make_config(preset), device):
                yield preset

    def _fits(self, dataset_id: str, config: TrainingConfig, device: Device) -> bool:
        try:
            needed = self.plan_training(dataset_id, config).peak_memory_bytes
        except ConfigurationError:
            # Of a model that is not on this machine nothing can be planned, nor can it be trained.
            return False
        return config.devices == 1 and needed <= device.free_bytes

    def report_training(self, state: TrainingProgress) -> None:
        """How far a training is; doors that watch put their own in its place."""
        if state.note:
            logger.warning("training step=%s note=%s", state.step, state.note)
        logger.info("training step=%s of=%s loss=%s", state.step, state.steps, state.loss)

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

    def plan_training(self, dataset_id: str, config: TrainingConfig) -> TrainingPlan:
        """What training on a dataset would take; no weights are loaded.

        Raises:
            DatasetRejected, ArtifactCorrupt, ConfigurationError: As training would.
        """
        from tasks.integrations.causal_models import choose_dtype
        from tasks.integrations.qlora.memory import read_resident

        device = self.trainer.device
        base = self.trainer.open_base(config.base_model)
        prepared = prepare_training(self.read_dataset(dataset_id), config, base, split_sentences)
        numbers = 4 if choose_dtype(device) == "float32" else 2
        rate = self._find_rate(config, base.base_hash, device)
        return plan_training(prepared, config, Machine(device, numbers, read_resident(), rate))

    def _find_rate(self, config: TrainingConfig, base_hash: str, device: str) -> float | None:
        """Tokens/s of the last training here that was like it."""
        rates = (
            one.summary.tokens_per_second
            for one in self.adapters.list_adapters(self.settings.tenant)
            if (one.base_hash, one.config.method, one.config.layers_share, one.config.devices, one.summary.device)
            == (base_hash, config.method, config.layers_share, config.devices, device)
        )
        return next(rates, None)
