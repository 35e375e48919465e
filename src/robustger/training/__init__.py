"""Finetunes the noise prompt, and LoRA if asked for, on N-best lists with references."""
