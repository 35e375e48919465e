"""A corrector with a language model of any shape and random weights, for the GPU benchmark.

A model with random weights writes noise, and no draft of noise is ever right. So two things are changed in a random
Llama. Its layers pass their input on almost unchanged, and the output row of each token is the embedding of the token
before it. This model writes one fixed chain of tokens, from the last token of the prompt to the end, and takes exactly
the time of any other model of its shape. The hypotheses are this chain with some words exchanged, so a list has as many
places to correct as one wants.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustger.correction import Corrector, CorrectorConfig
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.hypotheses import NBest

TEMPLATE = ("Hypotheses:", "Transcription:")  # the words of the prompt `compact`


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama, the answers it writes, and the sentence encoder beside it; the heads of the encoder are 32 wide.

    Attributes:
        vocabulary: words, each a token; any other word is the unknown one.
        answer: words of an answer, 0 for a model that ends at once.
    """

    width: int
    intermediate: int
    layers: int
    heads: int
    vocabulary: int
    answer: int
    encoder_width: int
    encoder_layers: int


LLAMA_2_7B = Shape(
    width=4096,
    intermediate=11008,
    layers=32,
    heads=32,
    vocabulary=32_000,
    answer=40,
    encoder_width=384,  # all-MiniLM-L6-v2
    encoder_layers=6,
)
TOY = Shape(
    width=64,
    intermediate=128,
    layers=2,
    heads=2,
    vocabulary=300,
    answer=8,
    encoder_width=32,
    encoder_layers=1,
)


def word(number: int) -> str:
    """A word of letters alone for every number."""
    letters = ""
    for _ in range(4):
        number, digit = divmod(number, 20)
        letters += "bcdfghjklmnpqrstvwxz"[digit]
    return letters


def answer_text(shape: Shape) -> str:
    """What the model writes behind any prompt."""
    return " ".join(map(word, range(shape.answer)))


def chain_corrector(shape: Shape, folder: Path, dtype: torch.dtype, device: str) -> Corrector:
    """The corrector, untrained beside its chain, with a random sentence encoder.

    Args:
        shape: of both models.
        folder: gets the tokenizer and the encoder, which are read from it later too.
        dtype: of the language model.
        device: of the language model.
    """
    tokenizer = word_tokenizer(shape)
    llm = random_llm(shape, tokenizer, dtype, device)
    save_encoder(shape, tokenizer, folder / "encoder")
    llm.config.save_pretrained(folder / "llm")
    tokenizer.save_pretrained(folder / "llm")
    ids = tokenizer.convert_tokens_to_ids
    chain = [ids(TEMPLATE[-1]), *map(ids, answer_text(shape).split()), tokenizer.eos_token_id]
    set_chain(llm, chain)
    config = CorrectorConfig(
        base=str(folder / "llm"),
        encoder=str(folder / "encoder"),
        noise_dimension=shape.encoder_width,
        skip_agreeing=False,
    )
    conditioned = ConditionedLLM(llm, config.variant, config.n_best, config.noise_dimension)
    conditioned.adapter.to(device)
    return Corrector(config, conditioned)


def random_llm(shape: Shape, tokenizer: Any, dtype: torch.dtype, device: str) -> Any:
    """A Llama of this shape, and nothing learned."""
    from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig

    settings = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=4096,
    )
    with torch.device(device):
        llm = AutoModelForCausalLM.from_config(settings, dtype=dtype)
    llm.generation_config = GenerationConfig()
    return llm


def save_encoder(shape: Shape, tokenizer: Any, folder: Path) -> None:
    """Writes a random sentence encoder and its tokenizer."""
    from transformers import BertConfig, BertModel

    encoder = BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.encoder_width,
            intermediate_size=4 * shape.encoder_width,
            num_hidden_layers=shape.encoder_layers,
            num_attention_heads=shape.encoder_width // 32,
        )
    )
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@torch.no_grad()
def set_chain(llm: Any, chain: list[int]) -> None:
    """Makes a random Llama write `chain[1:]` behind `chain[0]`; any other token is followed by the next by number."""
    for layer in llm.model.layers:
        layer.self_attn.o_proj.weight.mul_(1e-3)
        layer.mlp.down_proj.weight.mul_(1e-3)
    embeddings: Tensor = llm.model.embed_tokens.weight.normal_()
    count = len(embeddings)
    successors = (torch.arange(count) + 1) % count
    successors[chain[:-1]] = torch.tensor(chain[1:])
    llm.lm_head.weight.zero_().index_add_(0, successors.to(embeddings.device), embeddings)


def lists_to_correct(shape: Shape, count: int, seed: int = 0) -> tuple[list[NBest], float]:
    """Lists of five, none like another, and how many places of the 1-best are wrong on average.

    The 1-best has 0 to 3 words exchanged, about one on average; the others have one more each, and those of the 1-best
    every other time.
    """
    draw = random.Random(seed)
    right = answer_text(shape).split()
    lists, wrong_places = [], 0
    for number in range(count):
        places = draw.sample(range(shape.answer), draw.choices((0, 1, 2, 3), (4, 3, 2, 1))[0])
        wrong_places += len(places)
        best = list(right)
        for place in places:
            best[place] = _another(draw, shape)
        texts = [" ".join(best)]
        for _ in range(4):
            text = [a if draw.random() < 0.5 else b for a, b in zip(best, right, strict=True)]
            text[draw.randrange(shape.answer)] = _another(draw, shape)
            texts.append(" ".join(text))
        lists.append(NBest.from_texts(f"{number}", texts))
    return lists, wrong_places / count


def _another(draw: random.Random, shape: Shape) -> str:
    return word(draw.randrange(shape.answer, shape.vocabulary))


def word_tokenizer(shape: Shape) -> Any:
    """One token per word: the template's, and as many as the vocabulary has."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "</s>", "<unk>", *TEMPLATE, *map(word, range(shape.vocabulary))]
    vocabulary = {token: number for number, token in enumerate(words)}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<s>", eos_token="</s>", pad_token="</s>", unk_token="<unk>"
    )
