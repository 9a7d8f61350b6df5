"""How an adapter is made: configuration, plan, examples, QLoRA, checkpoints."""
