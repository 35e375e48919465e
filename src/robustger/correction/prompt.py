"""Prompt templates: each turns the hypotheses of a list into the text that the language model reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robustger.registry import Registry
from robustger.text import normalize

PromptTemplate = Callable[[Sequence[str]], str]
"""Takes the hypotheses, best first, with white space folded as in `NBest`."""

PROMPTS: Registry[PromptTemplate] = Registry("prompt template")


def distinct_hypotheses(texts: Sequence[str]) -> list[str]:
    """The hypotheses that differ by more than case and punctuation, best first."""
    first_of: dict[str, str] = {}
    for text in texts:
        first_of.setdefault(normalize(text, "released"), text)
    return list(first_of.values())


@PROMPTS.register("compact")
def compact_prompt(texts: Sequence[str]) -> str:
    """The distinct hypotheses, one per line: about 8 tokens beside the text, for small models and short latency."""
    lines = "\n".join(distinct_hypotheses(texts))
    return f"Hypotheses:\n{lines}\nTranscription:\n"


@PROMPTS.register("paper")
def paper_prompt(texts: Sequence[str]) -> str:
    """The instruction of the paper: the best hypothesis, then all others (appendix, and the released code)."""
    best, *others = texts
    return (
        "Below is the best-hypotheses transcribed from speech recognition system. Please try to revise it using the "
        "words which are only included into other-hypothesis, and write the response for the true transcription.\n\n"
        f"### Best-hypothesis:\n{best}\n\n### Other-hypothesis:\n{'. '.join(others)}\n\n### Response:\n"
    )
