"""Words as Whisper spells them, and from the times of their tokens to those of words.

The rules are those of OpenAI's code and of faster-whisper: a punctuation mark has no part in the time of its word, and
words that stand beside a pause and are longer than twice the median word do not reach into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from robustger.errors import InputError
from robustger.recognition.recognizer import Word

WITHOUT_BLANKS = frozenset(
    {"zh", "ja", "th", "lo", "my", "yue"}
)  # languages whose texts do not begin with one
_BEFORE_WORDS = frozenset("\"'“”„«‘¿¡([{-–—")
_BEHIND_WORDS = frozenset("\"'.。,，!！?？:：;；”’»)]}、…।؟،-–—")
_SENTENCE_ENDS = frozenset(".。!！?？।؟…")
_LONGEST_MEDIAN_SECONDS = 0.7


@dataclass(frozen=True, slots=True)
class Spelling:
    """A text in tokens, as Whisper writes it.

    Attributes:
        words: what stands between the blanks of the text.
        ids: the tokens of all words.
        bounds: the word k has the tokens from `bounds[k]` to `bounds[k + 1]`.
        cores: for each word, its first token and the one behind its last that is not just punctuation around the word.
    """

    words: tuple[str, ...]
    ids: list[int]
    bounds: list[int]
    cores: list[tuple[int, int]]


def spelled(tokenizer: Any, text: str, language: str) -> Spelling:
    """The text in the tokens of a checkpoint, with a blank before the first word unless the language has no blanks.

    Whisper's tokens do not reach across blanks, so words are spelled one by one. Special tokens are spelled out, and
    characters that the tokenizer cannot write are left out.

    Args:
        tokenizer: the checkpoint's.
        text: white space other than single blanks counts as one blank.
        language: code of the text's language.
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
    """Refuses a text that the decoder has no positions for.

    Args:
        source: the checkpoint, for the message.
        spelling: of the text.
        longest: tokens that it takes, without the end token.

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
) -> list[Word]:
    """The words of a text with the times at which they are heard.

    Args:
        spelling: of the text, T tokens.
        token_seconds: where each token begins and where the last one ends, T + 1 times that do not decrease.
        probabilities: of each token; the mean over the tokens of a word, without the punctuation around it, is its
            confidence.
        duration: of the audio, in seconds; no time is beyond it.
    """
    seconds = [min(max(0.0, one), duration) for one in token_seconds]
    starts = [seconds[first] for first, _ in spelling.cores]
    ends = [seconds[behind] for _, behind in spelling.cores]
    _leave_pauses(spelling.words, starts, ends)
    return [
        Word(word, start, end, fmean(probabilities[first:behind]) if behind > first else None)
        for word, start, end, (first, behind) in zip(
            spelling.words, starts, ends, spelling.cores, strict=True
        )
    ]


def _leave_pauses(words: Sequence[str], starts: list[float], ends: list[float]) -> None:
    """Shortens words that reach into the pauses before the text, behind it and between sentences."""
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
    """Which of a word's tokens are the word itself; all of them where it is nothing but punctuation."""
    first, behind = 0, len(texts)
    while first < behind and texts[first] and set(texts[first]) <= _BEFORE_WORDS:
        first += 1
    while behind > first and texts[behind - 1] and set(texts[behind - 1]) <= _BEHIND_WORDS:
        behind -= 1
    return (first, behind) if first < behind else (0, len(texts))
