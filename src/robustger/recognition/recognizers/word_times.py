"""Spells words in Whisper's tokens, and turns the times of tokens into the times of words.

The rules are those of OpenAI's code and of faster-whisper: punctuation does not count for the time of its word, and a
word beside a pause that is longer than twice the median word is shortened, so that it does not reach into the pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from robustger.errors import InputError
from robustger.recognition.recognizer import TimedWord

# Languages whose texts do not begin with a blank.
WITHOUT_BLANKS = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
_BEFORE_WORDS = frozenset("\"'“”„«‘¿¡([{-–—")
_BEHIND_WORDS = frozenset("\"'.。,，!！?？:：;；”’»)]}、…।؟،-–—")
_SENTENCE_ENDS = frozenset(".。!！?？।؟…")
_LONGEST_MEDIAN_SECONDS = 0.7


@dataclass(frozen=True, slots=True)
class Spelling:
    """A text in tokens, as Whisper writes it.

    Attributes:
        words: the words between the blanks of the text.
        ids: the tokens of all words.
        bounds: word k has the tokens from `bounds[k]` up to `bounds[k + 1]`.
        cores: for each word, the range of its tokens without the punctuation around it: the first one, and the one
            after the last one.
    """

    words: tuple[str, ...]
    ids: list[int]
    bounds: list[int]
    cores: list[tuple[int, int]]


def spelled(tokenizer: Any, text: str, language: str) -> Spelling:
    """Spells a text in the tokens of a checkpoint, with a blank before the first word if the language has blanks.

    Whisper's tokens do not reach across blanks, so words are spelled one by one. Names of special tokens are spelled as
    ordinary text, and characters that the tokenizer cannot write are left out.

    Args:
        tokenizer: the tokenizer of the checkpoint.
        text: the text; any white space counts as one blank.
        language: the code of the text's language.
    """
    words = tuple(text.split())
    ids: list[int] = []
    bounds, cores = [0], []
    for number, word in enumerate(words):
        written = word if number == 0 and language in WITHOUT_BLANKS else f" {word}"
        tokens = tokenizer(written, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        tokens = [token for token in tokens if token not in (tokenizer.eos_token_id, tokenizer.unk_token_id)]
        first, behind = _core([tokenizer.decode([token]).strip() for token in tokens])
        cores.append((bounds[-1] + first, bounds[-1] + behind))
        ids += tokens
        bounds.append(len(ids))
    return Spelling(words, ids, bounds, cores)


def check_length(source: Path, spelling: Spelling, longest: int) -> None:
    """Checks that the decoder has positions for a text.

    Args:
        source: the checkpoint, for the message.
        spelling: the spelling of the text.
        longest: the most tokens that the decoder takes, without the end token.

    Raises:
        InputError: the text has more tokens.
    """
    if len(spelling.ids) > longest:
        raise InputError(
            f"{source}: the text beginning with {' '.join(spelling.words[:5])!r} has {len(spelling.ids)} tokens and "
            f"the model takes {longest} at once; give it the text of one window of the audio"
        )


def words_of_tokens(
    spelling: Spelling, token_seconds: Sequence[float], probabilities: Sequence[float], duration: float
) -> list[TimedWord]:
    """The words of a text with the times at which they are heard.

    Args:
        spelling: the spelling of the text, T tokens.
        token_seconds: when each token begins and when the last one ends, T + 1 times that do not decrease.
        probabilities: the probability of each token. The confidence of a word is the mean over its tokens, without the
            punctuation around it.
        duration: the length of the audio, in seconds; no time exceeds it.
    """
    seconds = [min(max(0.0, one), duration) for one in token_seconds]
    starts = [seconds[first] for first, _ in spelling.cores]
    ends = [seconds[behind] for _, behind in spelling.cores]
    _leave_pauses(spelling.words, starts, ends)
    return [
        TimedWord(word, start, end, fmean(probabilities[first:behind]) if behind > first else None)
        for word, start, end, (first, behind) in zip(
            spelling.words, starts, ends, spelling.cores, strict=True
        )
    ]


def _leave_pauses(words: Sequence[str], starts: list[float], ends: list[float]) -> None:
    """Shortens words that reach into the pauses before the text, after it and between sentences."""
    lengths = [end - start for start, end in zip(starts, ends, strict=True) if end > start]
    if not lengths:
        return
    usual = min(_LONGEST_MEDIAN_SECONDS, median(lengths))
    longest = 2 * usual
    for k in range(1, len(words)):
        if words[k - 1][-1] in _SENTENCE_ENDS:
            starts[k] = max(starts[k], ends[k] - longest)
    late = ends[0] > 2 * longest
    if late and (ends[0] - starts[0] > longest or (len(words) > 1 and ends[1] - starts[0] > 2 * longest)):
        if len(words) > 1 and ends[1] - starts[1] > longest:
            ends[0] = starts[1] = max(starts[0], ends[1] / 2, ends[1] - longest)
        starts[0] = max(starts[0], ends[0] - longest)
    ends[-1] = min(ends[-1], starts[-1] + longest)


def _core(texts: Sequence[str]) -> tuple[int, int]:
    """The range of a word's tokens without the punctuation around it; all tokens if there is only punctuation."""
    first, behind = 0, len(texts)
    while first < behind and texts[first] and set(texts[first]) <= _BEFORE_WORDS:
        first += 1
    while behind > first and texts[behind - 1] and set(texts[behind - 1]) <= _BEHIND_WORDS:
        behind -= 1
    return (first, behind) if first < behind else (0, len(texts))
