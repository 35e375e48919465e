"""Guessing how an answer goes on: most of it is in one hypothesis or another."""

from __future__ import annotations

from collections.abc import Sequence

CONTEXT = 3  # tokens before a place that are compared; more would only repeat what the edits say


class Drafter:
    """Finds, in the texts an answer is made from, the place that the answer has reached.

    A place is a text and a number of its tokens. The best one has the longest run of tokens, up to `CONTEXT`, that end
    the answer too; then the fewest edits from its beginning to the answer so far; then it lies furthest on, since words
    are replaced more often than put in; then it is in the earliest text.

    Args:
        texts: token ids of the hypotheses, the likeliest first.
    """

    def __init__(self, texts: Sequence[Sequence[int]]) -> None:
        self._texts = list(dict.fromkeys(map(tuple, texts)))
        # For every text the edits between the answer so far and its first 0, 1, 2 ... tokens.
        self._edits = [list(range(len(text) + 1)) for text in self._texts]
        self._seen = 0

    def guess(self, written: Sequence[int]) -> list[int]:
        """The tokens that may follow.

        Args:
            written: the answer so far; goes on from what was written at the last call.

        Returns:
            the rest of a text behind its best place; empty where this is the text's end.
        """
        for token in written[self._seen :]:
            self._edits = [
                _edits_with(edits, text, token) for edits, text in zip(self._edits, self._texts, strict=True)
            ]
        self._seen = len(written)
        places = (
            (text, edits, place)
            for text, edits in zip(self._texts, self._edits, strict=True)
            for place in range(len(text) + 1)
        )
        text, _, place = max(
            places, key=lambda found: (_agreement(written, found[0], found[2]), -found[1][found[2]], found[2])
        )  # max takes the first of equals
        return list(text[place:])


def _edits_with(edits: Sequence[int], text: Sequence[int], token: int) -> list[int]:
    """The next row of the Levenshtein matrix: the answer is one token longer."""
    row = [edits[0] + 1]
    for place, other in enumerate(text):
        row.append(min(row[-1] + 1, edits[place + 1] + 1, edits[place] + (other != token)))
    return row


def _agreement(written: Sequence[int], text: Sequence[int], place: int) -> int:
    """How many tokens before the place also end the answer, at most `CONTEXT`."""
    longest = min(CONTEXT, place, len(written))
    return next((n for n in range(longest) if written[-1 - n] != text[place - 1 - n]), longest)
