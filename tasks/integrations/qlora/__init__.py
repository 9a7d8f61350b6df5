"""Training adapters by transformers, PEFT, TRL and bitsandbytes; nothing heavy is imported before a training begins."""

from tasks.integrations.qlora.base import TransformersBase
from tasks.integrations.qlora.training import QLoRATrainer

__all__ = ["QLoRATrainer", "TransformersBase"]
