"""Joins decoder tokens to words.

Recognizers write pieces of words, marks that say where a word begins or goes on, and tokens that stand for no sound.
Some programs save their lists without joining the pieces. A corrector would then read each piece as a word.

======================  =================================================================================
`▁the ▁ca fe`           SentencePiece: the mark begins a word; with blanks between the tokens or without
`ca@@ fe`               BPE of subword-nmt: the mark says that the word goes on
`ca ##fe`               WordPiece: the mark says that the word went on
`t h e <space> c a f e` characters, with a token for the space; `|` in CTC models of wav2vec 2.0
`<eos>`, `<unk>`, ...   stand for no sound, and are left out
======================  =================================================================================
"""

from __future__ import annotations

import dataclasses
import re

from robustger.hypotheses.values import NBest

_SILENT = re.compile(
    r"<(?:s|/s|sos|eos|sos/eos|bos|pad|blank|blk|eps|unk|mask|ctc_blank)>|<\|[^<>|\s]*\|>", re.IGNORECASE
)
_SPACE = "<space>"
_BEGINS_WORD = "▁"


def words_of(nbest: NBest) -> tuple[NBest, str | None]:
    """Joins the tokens of a list to words, and warns if its words look like tokens without marks.

    The marks of one hypothesis hold for all of its list. The reference is put together only where it has marks itself.
    """
    joined = _joined(nbest.texts)
    reference = nbest.reference and _joined((nbest.reference,))[0]
    if joined != nbest.texts or reference != nbest.reference:
        hypotheses = tuple(
            dataclasses.replace(hypothesis, text=text)
            for hypothesis, text in zip(nbest.hypotheses, joined, strict=True)
        )
        nbest = dataclasses.replace(nbest, hypotheses=hypotheses, reference=reference)
    return nbest, _doubt(joined)


def _scheme(texts: tuple[str, ...]) -> str | None:
    """The way in which the texts are cut into pieces, known by the mark that some pieces have."""
    if any(_BEGINS_WORD in text for text in texts):
        return _BEGINS_WORD
    if any(_SPACE in text for text in texts):
        return _SPACE
    words = [text.split() for text in texts]
    if any("|" in own and all(len(word) == 1 for word in own) for own in words):
        return "|"
    if any(word.endswith("@@") and len(word) > 2 for own in words for word in own):
        return "@@"
    if any(word.startswith("##") and len(word) > 2 for own in words for word in own[1:]):
        return "##"
    return None


def _joined(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts in words, all cut in one way."""
    heard = tuple(
        " ".join(_SILENT.sub(" ", text).split()) if _SILENT.search(text) else text for text in texts
    )
    scheme = _scheme(heard)
    return tuple(_without_marks(text, scheme) for text in heard)


def _without_marks(text: str, scheme: str | None) -> str:
    if scheme in (_BEGINS_WORD, _SPACE, "|"):
        return " ".join("".join(text.split()).replace(scheme, " ").split())
    if scheme == "@@":
        return " ".join(re.sub(r"@@(?:\s+|$)", "", text).split())
    if scheme == "##":
        return " ".join(re.sub(r"\s+##", "", text).split())
    return text


def _doubt(texts: tuple[str, ...]) -> str | None:
    words = [text.split() for text in texts]
    long = [own for own in words if len(own) >= 4]
    if not long or len(long) < len(words):
        return None
    if all(word.isdecimal() for own in words for word in own) and any(
        len(word) > 2 for own in words for word in own
    ):
        return "its hypotheses look like numbers of decoder tokens, not words"
    if all(len(word) == 1 and word.isascii() and word.isalpha() for own in words for word in own):
        return "its hypotheses look like decoder tokens, single letters, not words"
    if all(sum(word.startswith("Ġ") for word in own) * 2 >= len(own) for own in words):
        return "its hypotheses look like decoder tokens of byte-level BPE, not words"
    return None
