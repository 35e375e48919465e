"""Prompt templates: each turns the hypotheses of a list into the text that the language model reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from robustger.noise.alignment import align_all
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


@PROMPTS.register("network")
def network_prompt(texts: Sequence[str]) -> str:
    """The 1-best with the alternatives in the places where hypotheses differ, as in a confusion network.

    Words that all hypotheses share are written once, so long lists take a third of the tokens of `compact`.

    Example:
        >>> print(network_prompt(["the cat sat down", "the bat sat", "the cat sat town"]), end="")
        Network:
        the [ cat | bat ] sat [ down | - | town ]
        Transcription:
    """
    rows = align_all([text.split() for text in distinct_hypotheses(texts)])
    columns = list(zip(*rows, strict=True))
    parts: list[str] = []
    for agreed, group in groupby(columns, key=lambda column: len(set(column)) == 1):
        alternatives = dict.fromkeys(
            " ".join(word for word in words if word is not None) for words in zip(*group, strict=True)
        )
        shown = " | ".join(text or "-" for text in alternatives)
        parts.append(shown if agreed else f"[ {shown} ]")
    return f"Network:\n{' '.join(parts)}\nTranscription:\n"


@PROMPTS.register("paper")
def paper_prompt(texts: Sequence[str]) -> str:
    """The instruction of the paper: the best hypothesis, then all others (appendix, and the released code)."""
    best, *others = texts
    return (
        "Below is the best-hypotheses transcribed from speech recognition system. Please try to revise it using the "
        "words which are only included into other-hypothesis, and write the response for the true transcription.\n\n"
        f"### Best-hypothesis:\n{best}\n\n### Other-hypothesis:\n{'. '.join(others)}\n\n### Response:\n"
    )
