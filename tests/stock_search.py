"""The beam search of transformers on a recognizer's encoder outputs: the reference for our own search."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin
from transformers.modeling_outputs import BaseModelOutput

from robustger.recognition.recognizers.whisper import WhisperRecognizer
from robustger.recognition.search.beam_search import Tokens


def stock_beam_search(
    recognizer: WhisperRecognizer, states: Tensor, beams: int, longest: int, length_penalty: float
) -> list[list[Tokens]]:
    """As `robustger.recognition.search.beam_search.beam_search`, with the recognizer's decoder on `states` (B, S, D).

    `WhisperForConditionalGeneration.generate` would return copies of one hypothesis, and what the checkpoint's own
    settings say (blocked n-grams, for example) would bend the scores: both are left out.
    """
    model: Any = recognizer._model
    prompt = recognizer._prompts.ids("en")
    model.generation_config = GenerationConfig()
    out: Any = cast(Any, GenerationMixin).generate(
        model,
        generation_config=GenerationConfig(
            **recognizer._settings,
            decoder_start_token_id=prompt[0],
            num_beams=beams,
            num_return_sequences=beams,
            max_new_tokens=longest,
            length_penalty=length_penalty,
            output_scores=True,
            return_dict_in_generate=True,
        ),
        encoder_outputs=BaseModelOutput(last_hidden_state=cast(Any, states)),
        attention_mask=torch.ones(states.shape[:2], dtype=torch.long, device=states.device),
        decoder_input_ids=torch.tensor([prompt] * len(states), device=states.device),
    )
    lengths = (out.beam_indices >= 0).sum(1)
    scores = (out.sequences_scores.double() * lengths.double() ** length_penalty).tolist()
    ids = out.sequences[:, len(prompt) :].tolist()
    rows = [Tokens(ids[k][: int(lengths[k])], scores[k]) for k in range(len(ids))]
    # Beams that never left the start carry about -1e9, a mark of transformers' and no log-probability.
    return [
        [row for row in rows[first : first + beams] if row.score > -1e8]
        for first in range(0, len(rows), beams)
    ]
