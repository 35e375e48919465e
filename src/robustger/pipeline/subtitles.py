"""Cuts words with times into readable subtitles: cues of at most two lines.

A cue has at most two lines of 42 narrow characters (21 Chinese, Japanese or Korean ones) and stays for about one to
six seconds. Among all ways to cut the words, the one that costs the reader least is taken. Cuts after sentences cost
least, then cuts after clauses, then cuts in pauses. Cues that disappear too soon, that must be read too fast, or that
hold one word cost more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from robustger.pipeline.clauses import SENTENCE_END, cost_of_cut, ends_sentence
from robustger.pipeline.transcription import Segment, Transcription
from robustger.pipeline.words import retimed, spread_words
from robustger.pipeline.writing_systems import DisplayWord, display_width, display_words, glues, text_of

LINE_WIDTH = 42  # narrow characters
LONGEST_MS = 7_000  # no cue of several words is longer
_LONG_MS, _SHORT_MS = 6_000, 1_000  # comfortable for a reader
_SHORTEST_MS = 200  # of a cue whose words have no time of their own; the next cue comes later then
_NEW_PASSAGE_MS = 2_000  # a pause that no cue spans
_EXTENSION_MS = 1_000  # how long a cue may stay after its last word
_CHARACTERS_PER_SECOND = 17.0
_NOTICED_PAUSE_MS = 700
_FULL_WIDTH = 28  # a shorter part of a sentence looks lost


@dataclass(frozen=True, slots=True)
class CueWord:
    """A word of a cue and the time at which it is heard, in milliseconds from the beginning of the recording."""

    piece: DisplayWord
    start_ms: int
    end_ms: int
    english: bool


@dataclass(frozen=True, slots=True)
class Cue:
    """The text that is on the screen at one time.

    Attributes:
        start_ms: when it appears, in milliseconds from the beginning of the recording.
        end_ms: when it disappears; after `start_ms`, and not after the `start_ms` of the next cue.
        lines: one or two lines, each of at least one word.
    """

    start_ms: int
    end_ms: int
    lines: tuple[tuple[CueWord, ...], ...]

    @property
    def text(self) -> str:
        """The lines as they are shown."""
        return "\n".join(text_of([timed.piece for timed in line]) for line in self.lines)


def readable_cues(transcription: Transcription, *, plain: bool = False) -> list[Cue]:
    """The cues of a recording, in order; each of its words is in exactly one cue.

    Segments whose words have no times count as if their words were spread evenly over them.

    Args:
        transcription: the recording with its text.
        plain: whether the words alone are shown instead of the written text.
    """
    timed = _cue_words(transcription.segments, plain=plain)
    groups: list[tuple[tuple[CueWord, ...], ...]] = []
    until_ms = round(1000 * transcription.seconds)
    passages = _passages(timed)
    for position, passage in enumerate(passages):
        last = position + 1 == len(passages)
        groups += _best_cut(passage, until_ms if last else passages[position + 1][0].start_ms)
    return _on_screen(groups, shortest_ms=_SHORTEST_MS, stays_until_ms=until_ms)


def word_cues(transcription: Transcription, *, plain: bool = False) -> list[Cue]:
    """One cue per word, for as long as it is said; arguments as for `readable_cues`."""
    timed = _cue_words(transcription.segments, plain=plain)
    return _on_screen([((word,),) for word in timed], shortest_ms=1, stays_until_ms=None)


def _cue_words(segments: Sequence[Segment], *, plain: bool) -> list[CueWord]:
    found: list[CueWord] = []
    for segment in segments:
        text = segment.plain if plain else segment.text
        parts = display_words(text)
        words = retimed(segment.words, text) if segment.words else ()
        if not words:
            words = spread_words(text, segment.start, segment.end)
        if parts and found and glues(found[-1].piece.text, parts[0].text):
            parts[0] = DisplayWord(parts[0].text, glued=True)
        english = (segment.nbest.language or "en").startswith("en")
        found += [
            CueWord(part, round(1000 * word.start), round(1000 * word.end), english)
            for part, word in zip(parts, words, strict=True)
        ]
    return found


def _passages(timed: Sequence[CueWord]) -> list[list[CueWord]]:
    """The words in passages, which are separated by long pauses."""
    passages: list[list[CueWord]] = []
    for position, word in enumerate(timed):
        if not position or word.start_ms - timed[position - 1].end_ms >= _NEW_PASSAGE_MS:
            passages.append([])
        passages[-1].append(word)
    return passages


class _Passage:
    """The words between two long pauses, with everything that the cost of a cue is computed from."""

    def __init__(self, timed: Sequence[CueWord], until_ms: int) -> None:
        self.timed = timed
        self.until_ms = until_ms
        count = len(timed)
        # For each word: the width of all words before it, with the blanks between them.
        self.ends = [0] * (count + 1)
        self.blanks = [0 if word.piece.glued else 1 for word in timed]
        for index, word in enumerate(timed):
            self.ends[index + 1] = self.ends[index] + display_width(word.piece.text) + self.blanks[index]
        following = [word.piece.text for word in timed[1:]]
        pauses = [right.start_ms - left.end_ms for left, right in pairwise(timed)]
        self.cut_costs = [SENTENCE_END] + [
            cost_of_cut(word.piece.text, after, pause, english=word.english)
            for word, after, pause in zip(timed[:-1], following, pauses, strict=True)
        ] + [SENTENCE_END]  # fmt: skip
        self.sentence_ends = [False] + [
            ends_sentence(word.piece.text, after)
            for word, after in zip(timed, [*following, None], strict=True)
        ]  # fmt: skip
        self.noticed_pauses = [0] + [int(pause >= _NOTICED_PAUSE_MS) for pause in pauses] + [0]

    def width(self, first: int, last: int) -> int:
        """The width of the words first to last - 1 in one line."""
        return self.ends[last] - self.ends[first] - self.blanks[first]

    def line_break(self, first: int, last: int) -> tuple[float, int] | None:
        """The cost of the best way to write these words in one or two lines, and where the second line begins.

        The second line begins at `last` if one line is enough. The result is None if two lines are not enough.
        """
        if last == first + 1 or self.width(first, last) <= LINE_WIDTH:
            return 0.0, last
        best: tuple[float, int] | None = None
        for second in range(first + 1, last):
            upper, lower = self.width(first, second), self.width(second, last)
            if (upper > LINE_WIDTH and second > first + 1) or (lower > LINE_WIDTH and second < last - 1):
                continue
            cost = 0.3 + 2 * abs(upper - lower) / LINE_WIDTH + 0.5 * self.cut_costs[second]
            if best is None or cost < best[0]:
                best = cost, second
        return best

    def cue_cost(self, first: int, last: int) -> tuple[float, int] | None:
        """The cost of a cue of the words first to last - 1, and where its second line begins; None: it is too long."""
        words = self.timed
        start, end = words[first].start_ms, words[last - 1].end_ms
        lines = self.line_break(first, last)
        if lines is None or (last > first + 1 and end - start > LONGEST_MS):
            return None
        cost, second = lines
        width = self.width(first, last)
        following = words[last].start_ms if last < len(words) else max(end, self.until_ms)
        shown = max(_end_ms(start, end, width, following) - start, 1)
        whole = first == 0 or self.cut_costs[first] == SENTENCE_END
        whole = whole and (last == len(words) or self.cut_costs[last] == SENTENCE_END)
        cost += 1.0 + self.cut_costs[last]
        cost += 6.0 * max(0, _SHORT_MS - shown) / _SHORT_MS + 2.0 * max(0, shown - _LONG_MS) / _SHORT_MS
        cost += 0.1 * min(max(0.0, 1000 * width / shown - _CHARACTERS_PER_SECOND), 50.0)
        if not whole:
            cost += 0.1 * max(0, _FULL_WIDTH - width) + (3.0 if last == first + 1 else 0.0)
        inside = sum(self.sentence_ends[first + 1 : last])
        cost += inside * (0.7 if whole else 1.5)
        return cost + 1.5 * sum(self.noticed_pauses[first + 1 : last]), second


def _best_cut(timed: Sequence[CueWord], until_ms: int) -> list[tuple[tuple[CueWord, ...], ...]]:
    """The lines of the cues into which the words are best cut; the last cue may stay until `until_ms`."""
    passage, count = _Passage(timed, until_ms), len(timed)
    # For the best way to cut the first k words: its cost, where its last cue begins, and where the second line of
    # that cue begins.
    best: list[tuple[float, int, int]] = [(0.0, 0, 0)] + [(float("inf"), 0, 0)] * count
    for first in range(count):
        for last in range(first + 1, count + 1):
            found = passage.cue_cost(first, last)
            if found is None:
                break  # a longer cue does not fit either
            cost = best[first][0] + found[0]
            if cost < best[last][0]:
                best[last] = cost, first, found[1]
    groups: list[tuple[tuple[CueWord, ...], ...]] = []
    last = count
    while last:
        _, first, second = best[last]
        lines = (tuple(timed[first:second]), tuple(timed[second:last]))
        groups.append(tuple(line for line in lines if line))
        last = first
    return groups[::-1]


def _end_ms(start: int, end: int, width: int, following: int) -> int:
    """When a cue disappears: after its last word, later if a pause leaves time to read, never after the next begins."""
    wanted = max(end, start + _SHORT_MS, start + round(1000 * width / _CHARACTERS_PER_SECOND))
    wanted = min(wanted, end + _EXTENSION_MS, max(end, start + _LONG_MS))
    return min(wanted, following)


def _on_screen(
    groups: Sequence[tuple[tuple[CueWord, ...], ...]], *, shortest_ms: int, stays_until_ms: int | None
) -> list[Cue]:
    """The cues with their times; `stays_until_ms` is the end of the recording, None if no cue outlasts its words."""
    cues: list[Cue] = []
    for position, lines in enumerate(groups):
        start, end = lines[0][0].start_ms, lines[-1][-1].end_ms
        if cues:
            start = max(start, cues[-1].end_ms)
        following = groups[position + 1][0][0].start_ms if position + 1 < len(groups) else None
        if stays_until_ms is not None:
            width = sum(display_width(word.piece.text) + 1 for line in lines for word in line)
            end = _end_ms(start, end, width, max(end, stays_until_ms) if following is None else following)
        elif following is not None:
            end = min(end, following)
        end = max(min(end, start + LONGEST_MS), start + shortest_ms)
        cues.append(Cue(start, end, lines))
    return cues
