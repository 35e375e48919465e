"""Decodes the answers to prompts, from drafts or token by token, and bounds the size of batches."""
