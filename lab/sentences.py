"""Draws the sentences of the laboratory from a grammar, and strings of its words."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from robustger.yaml_files import read_yaml

GRAMMAR = Path(__file__).with_name("sentences.grammar")
SLOT = re.compile(r"\{(\w+)\}")
SPLITS = ("recognizer", "corrector", "dev", "test")


@dataclass(frozen=True)
class Grammar:
    """Slots with their choices, and the sentence templates by topic."""

    slots: dict[str, tuple[str, ...]]
    templates: tuple[tuple[str, str], ...]

    def sentence(self, random_: random.Random) -> str:
        """One sentence; topics are drawn by their number of templates."""
        return self._expand(random_.choice(self.templates)[1], random_)

    def words(self) -> tuple[str, ...]:
        """Every word the grammar can write, in alphabetical order."""
        texts = [template for _, template in self.templates]
        texts += [choice for choices in self.slots.values() for choice in choices]
        return tuple(sorted({word for text in texts for word in SLOT.sub(" ", text).split()}))

    def _expand(self, template: str, random_: random.Random) -> str:
        while match := SLOT.search(template):
            choice = random_.choice(self.slots[match[1]])
            template = template[: match.start()] + choice + template[match.end() :]
        return template


@cache
def grammar() -> Grammar:
    """The grammar of `sentences.grammar`."""
    fields = read_yaml(GRAMMAR)
    slots = {name: tuple(part.strip() for part in text.split("|")) for name, text in fields["slots"].items()}
    templates = [(topic, text) for topic, texts in fields["templates"].items() for text in texts]
    return Grammar(slots, tuple(templates))


def split_of(sentence: str) -> str:
    """The one split in which this sentence may stand: 80 % recognizer, 12 % corrector, 3 % dev, 5 % test.

    Decided by the text alone, so that no sentence can stand on two sides however often it is drawn.
    """
    share = int.from_bytes(hashlib.sha256(sentence.encode()).digest()[:4]) / 2**32
    for name, end in zip(SPLITS, (0.80, 0.92, 0.95, 1.0), strict=True):
        if share < end:
            return name
    raise AssertionError(share)


def sentences(split: str, count: int, seed: int) -> list[str]:
    """`count` distinct sentences of a split."""
    random_ = random.Random(f"{split}-{seed}")
    found: dict[str, None] = {}
    while len(found) < count:
        sentence = grammar().sentence(random_)
        if split_of(sentence) == split:
            found[sentence] = None
    return list(found)


def word_strings(count: int, seed: int) -> list[str]:
    """`count` strings of three to nine words drawn without regard to sense.

    They teach the recognizer what words sound like without teaching it which word follows which.
    """
    random_ = random.Random(f"words-{seed}")
    words = grammar().words()
    return [" ".join(random_.choices(words, k=random_.randint(3, 9))) for _ in range(count)]
