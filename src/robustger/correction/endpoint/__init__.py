"""Lets a language model behind an OpenAI-compatible endpoint write the proposals that a corrector then judges."""
