"""Searches for texts with any decoder that returns the log-probabilities of the next token.

The beam search equals that of transformers' `GenerationMixin` (with `early_stopping=False`), candidate for candidate.
It costs less for two reasons: an audio whose search is over leaves the batch, and scores of earlier steps are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

NEVER = -1e9  # added to the scores of forbidden choices, and of beams that never left the start


class Tokens(NamedTuple):
    """Token ids, with the end token if there is one, and their log-probability."""

    ids: list[int]
    score: float


class Decoder(Protocol):
    """Extends some texts for each of B audios; the texts of an audio are consecutive rows."""

    def first(self) -> Tensor:
        """Log-probabilities of the first token, (B, V), float32; -inf for tokens that must not be written."""
        ...

    def advance(self, audios: Tensor | None, rows: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities of the next token of every row, (R, V).

        Args:
            audios: the places, in the last call, of the audios that continue; None continues all.
            rows: the row of the last call (of the B audios at first) that each row extends, (R,).
            tokens: the token that is added to each row, (R,).
        """
        ...


def beam_search(
    decoder: Decoder,
    *,
    beams: int,
    end: int,
    longest: int,
    length_penalty: float,
    finished: int | None = None,
) -> list[list[Tokens]]:
    """The texts that a search finished, per audio, best first by score / tokens ** `length_penalty`.

    The search for an audio is over when it has `beams` texts and its best unfinished one would rank behind all of them
    if it ended now. If more texts are asked for, it is over when it has that many.

    Args:
        decoder: a decoder that has not advanced yet.
        beams: the number of unfinished texts that are followed.
        end: the end token.
        longest: the most tokens of a text, the end token included; longer texts are cut without an end token.
        length_penalty: the exponent of the ranking.
        finished: the number of finished texts that are asked for, at least `beams`; None is `beams`.
    """
    log_probs = decoder.first()
    device = log_probs.device
    count = len(log_probs)
    log_probs = log_probs[:, None].expand(-1, beams, -1)  # (A, beams, V); A audios are still searched
    found: list[list[Tokens]] = [[] for _ in range(count)]
    audios = torch.arange(count, device=device)  # their numbers
    width = 1  # rows of an audio in the last call
    running = torch.zeros(count, beams, device=device)
    running[:, 1:] = NEVER  # all beams are the same at first
    texts = torch.empty(count, beams, 0, dtype=torch.long, device=device)
    ended = _Ended.none(count, finished or beams, longest, end, device)
    among_best = torch.arange(2 * beams, device=device) < beams
    for length in range(1, longest + 1):
        vocabulary = log_probs.shape[-1]
        # Twice as many as beams: at most `beams` of them end.
        totals, places = (log_probs + running[..., None]).flatten(1).topk(2 * beams)
        origins, tokens = places // vocabulary, places % vocabulary
        candidates = torch.cat([_pick(texts, origins), tokens[..., None]], dim=-1)
        ends = (tokens == end) | (length == longest)
        ended = ended.with_more(candidates, totals, ends & among_best, length_penalty)
        open_totals = totals + ends * NEVER
        kept = open_totals.topk(beams).indices
        running, texts = _pick(open_totals, kept), _pick(candidates, kept)
        rows, tokens = _pick(origins, kept).clamp(max=width - 1), _pick(tokens, kept)
        rows += width * torch.arange(len(audios), device=device)[:, None]
        if length == longest:
            break
        if finished is not None and finished > beams:
            goes_on = ~ended.real.all(1)
        else:
            worst = torch.where(ended.real, ended.ranks.amin(1, keepdim=True), NEVER)
            goes_on = (running[:, :1] / length**length_penalty > worst).any(1)
        staying = None
        if not goes_on.all():
            for place in (~goes_on).nonzero().flatten().tolist():
                found[int(audios[place])] = ended.texts_of(place)
            staying = goes_on.nonzero().flatten()
            if not len(staying):
                return found
            audios, running, texts, rows, tokens = (
                x[staying] for x in (audios, running, texts, rows, tokens)
            )
            ended = ended.of(staying)
        log_probs = decoder.advance(staying, rows.flatten(), tokens.flatten()).view(len(audios), beams, -1)
        width = beams
    for place, audio in enumerate(audios.tolist()):
        found[audio] = ended.texts_of(place)
    return found


class _Ended(NamedTuple):
    """The F best finished texts for each of A audios, best first; free places rank last.

    Attributes:
        tokens: the tokens, padded with the end token, (A, F, longest).
        lengths: the number of tokens, the end token included, (A, F).
        sums: the log-probabilities, (A, F).
        ranks: the numbers by which the texts are ordered, (A, F).
        real: False for a free place, (A, F).
    """

    tokens: Tensor
    lengths: Tensor
    sums: Tensor
    ranks: Tensor
    real: Tensor

    @classmethod
    def none(cls, audios: int, finished: int, longest: int, end: int, device: torch.device) -> _Ended:
        free = torch.full((audios, finished), NEVER, device=device)
        tokens = torch.full((audios, finished, longest), end, device=device)
        zeros = torch.zeros(audios, finished, dtype=torch.long, device=device)
        return cls(tokens, zeros, free, free, zeros.bool())

    def with_more(self, candidates: Tensor, sums: Tensor, ends: Tensor, length_penalty: float) -> _Ended:
        """The best of these texts and of the candidates (A, C, length) that end."""
        length = candidates.shape[-1]
        ranks = torch.cat([self.ranks, sums / length**length_penalty + ~ends * NEVER], dim=1)
        best = ranks.topk(self.ranks.shape[1]).indices
        filler = self.tokens[:, :1, length:].expand(-1, candidates.shape[1], -1)
        return _Ended(
            _pick(torch.cat([self.tokens, torch.cat([candidates, filler], dim=2)], dim=1), best),
            _pick(torch.cat([self.lengths, torch.full_like(ends, length, dtype=torch.long)], dim=1), best),
            _pick(torch.cat([self.sums, sums], dim=1), best),
            _pick(ranks, best),
            _pick(torch.cat([self.real, ends], dim=1), best),
        )

    def of(self, audios: Tensor) -> _Ended:
        return _Ended(*(field[audios] for field in self))

    def texts_of(self, audio: int) -> list[Tokens]:
        rows = zip(*(field[audio].tolist() for field in (self.tokens, self.lengths, self.sums)), strict=True)
        real = self.real[audio].tolist()
        # A text that goes back to a beam that never left the start has no log-probability.
        return [
            Tokens(ids[:length], total)
            for (ids, length, total), one in zip(rows, real, strict=True)
            if one and total > NEVER / 10
        ]


def draw_texts(
    decoder: Decoder, choose: Callable[[Tensor], Tensor], *, texts: int, end: int, longest: int
) -> list[list[Tokens]]:
    """Writes some texts for each audio, token by token; a text of `longest` tokens has no end token.

    Args:
        decoder: a decoder that has not advanced yet.
        choose: returns the next token of every row from its log-probabilities: (R, V) -> (R,). The rows of finished
            texts are among them.
        texts: the number of texts for each audio.
        end: the end token.
        longest: the most tokens of a text, the end token included.
    """
    log_probs = decoder.first()
    rows = torch.arange(len(log_probs), device=log_probs.device).repeat_interleave(texts)
    log_probs = log_probs[rows]  # (R, V)
    steps: list[Tensor] = []
    scores: list[Tensor] = []
    over = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    while True:
        steps.append(choose(log_probs))
        scores.append(log_probs.gather(1, steps[-1][:, None]).flatten())
        over |= steps[-1] == end
        if len(steps) == longest or over.all():
            break
        log_probs = decoder.advance(None, rows, steps[-1])
        rows = torch.arange(len(rows), device=rows.device)
    ids, chosen = torch.stack(steps, dim=1).tolist(), torch.stack(scores, dim=1).double().tolist()
    drawn: list[Tokens] = []
    for tokens, log_probabilities in zip(ids, chosen, strict=True):
        length = tokens.index(end) + 1 if end in tokens else len(tokens)
        drawn.append(Tokens(tokens[:length], sum(log_probabilities[:length])))
    return [drawn[first : first + texts] for first in range(0, len(drawn), texts)]


def _pick(values: Tensor, places: Tensor) -> Tensor:
    """The values at the places of each audio: (A, C, ...), (A, P) -> (A, P, ...)."""
    wide = places.view(*places.shape, *[1] * (values.dim() - 2)).expand(-1, -1, *values.shape[2:])
    return values.gather(1, wide)
