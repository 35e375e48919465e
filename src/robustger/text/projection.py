"""Restores the written form: gives corrected words the capitals, punctuation and digits of the hypotheses.

Unchanged words keep the form that they have in the written 1-best, with case, punctuation, numerals and units. A
changed word takes its form from another hypothesis, or stays plain if no hypothesis has it. Punctuation stays in its
place, and sentences keep their capital.
"""

from __future__ import annotations

from collections.abc import Sequence

from robustger.text.forms import Forms, places_of, sentence_starts
from robustger.text.normalizers import get_normalizer
from robustger.text.pieces import WrittenPiece, balance, delete, insert, replace, separate, with_last_period
from robustger.text.segments import Segmenter, WrittenToken, joined_tokens, plain_words, tokens_of
from robustger.text.sentence_case import sentence_cased
from robustger.text.spoken import segment_spoken
from robustger.text.words import segment_words

_SEGMENTERS: dict[str, Segmenter] = {"spoken": segment_spoken, "words": segment_words}


def project(text: str, written: Sequence[str], normalize: str = "spoken") -> str:
    """Writes a plain text in the way of a list's hypotheses.

    Normalizing the result gives `text` again, provided that the normalizer leaves `text` itself unchanged. A text
    that equals the normalized 1-best gives the written 1-best itself.

    Args:
        text: the corrected words.
        written: the hypotheses as the recognizer wrote them, best first; at least one.
        normalize: name of the normalizer that leads from them to the plain text. `spoken` and `words` are followed
            through text that is read across spaces ("3,50 \u20ac"); any other is applied to one stretch between spaces
            at a time.

    Raises:
        InputError: no such normalizer; the message lists the known names.

    Example:
        >>> project("the lens is fifteen mm wide", ["The lens is 50 mm wide.", "The lens is 15 mm wide."])
        'The lens is 15 mm wide.'
    """
    segment = segmenter(normalize)
    words = text.split()
    lists = [segment(form) for form in dict.fromkeys(" ".join(form.split()) for form in written)]
    best = [token for token in lists[0] if token.words]  # without tokens that hold no word, such as "..."
    if words == get_normalizer(normalize)(written[0]).split():
        return " ".join(written[0].split())
    if not words:
        return ""
    expected = plain_words(segment(text))
    for borrowed in (lists, lists[:1], []):
        found = joined_tokens(_projected(words, with_last_period(best), Forms(words, borrowed)))
        if plain_words(segment(found)) == expected:
            return found
    return " ".join(words)


def segmenter(normalize: str) -> Segmenter:
    """The function that cuts written text into tokens whose words are those of the normalizer of this name.

    Raises:
        InputError: no such normalizer; the message lists the known names.
    """
    if known := _SEGMENTERS.get(normalize):
        return known
    read = get_normalizer(normalize)

    def segment(text: str) -> list[WrittenToken]:
        cores, start = [], 0
        for chunk in text.split():
            start = text.index(chunk, start)
            if words := tuple(read(chunk).split()):
                cores.append((start, start + len(chunk), words))
            start += len(chunk)
        return tokens_of(text, cores)

    return segment


def _projected(words: Sequence[str], best: Sequence[WrittenToken], forms: Forms) -> list[WrittenToken]:
    """The words as tokens: kept words are tokens of the 1-best, and others get their forms."""
    starts = sentence_starts(best)
    pieces: list[WrittenPiece] = []
    token_at = word_at = 0
    kept = [(token, word) for token, word in enumerate(places_of(best, words)) if word is not None]
    for token, word in [*kept, (len(best), len(words))]:
        at_end = token == len(best)
        opening = ""
        borrowed = forms.cover(word_at, word)
        if borrowed and token > token_at:
            replace(pieces, borrowed, best, token_at, token)
        elif borrowed:
            insert(pieces, borrowed, at_end)
        elif token > token_at:
            opening = delete(pieces, best, token_at, token)
        if not at_end:
            piece = WrittenPiece.kept_token(best, token, starts[token])
            if token == 0 and pieces:  # words inserted before the first word come into its quotes, too
                pieces[0].before, piece.before = piece.before, ""
            piece.before = opening + piece.before
            pieces.append(piece)
            token_at, word_at = token + 1, word + len(best[token].words)
    separate(pieces)
    balance(pieces, best)
    return sentence_cased(pieces, best, forms)
