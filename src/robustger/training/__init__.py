"""Finetuning the noise prompt (and LoRA) on N-best lists with references."""
