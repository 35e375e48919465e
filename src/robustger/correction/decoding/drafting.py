"""Guesses how an answer goes on: most answers consist of parts of the hypotheses."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_MATCH = 3  # tokens before a place that are compared; more would add nothing to the count of edits


class Drafter:
    """Finds the place in the hypotheses that an answer has reached.

    A place is a text and a number of its tokens. The best place has the longest run of tokens, up to `LONGEST_MATCH`,
    with which the answer ends, too. Among equals, the text up to the place has the fewest edits to the answer so far.
    Then the place lies furthest to the right, since words are replaced more often than inserted. Then the text comes
    first.

    Args:
        texts: token ids of the hypotheses, the likeliest first.
    """

    def __init__(self, texts: Sequence[Sequence[int]]) -> None:
        self._texts = list(dict.fromkeys(map(tuple, texts)))
        # For every text, the number of edits between the answer so far and its first 0, 1, 2 ... tokens.
        self._edits = [list(range(len(text) + 1)) for text in self._texts]
        self._seen = 0

    def guess(self, written: Sequence[int]) -> list[int]:
        """The tokens that probably follow.

        Args:
            written: the answer so far. It must continue the answer that was given at the last call.

        Returns:
            the tokens of a text after the best place; none where this place is the end of the text.
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
    """The next row of the Levenshtein matrix, for an answer that is one token longer."""
    row = [edits[0] + 1]
    for place, other in enumerate(text):
        row.append(min(row[-1] + 1, edits[place + 1] + 1, edits[place] + (other != token)))
    return row


def _agreement(written: Sequence[int], text: Sequence[int], place: int) -> int:
    """The number of tokens before the place that agree with the end of the answer; at most `LONGEST_MATCH`."""
    longest = min(LONGEST_MATCH, place, len(written))
    return next((n for n in range(longest) if written[-1 - n] != text[place - 1 - n]), longest)
